"""A real llama.cpp, a scripted upstream, and a real Keyhouse in front of each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai import OpenAI
from playwright.sync_api import Browser

from e2e.admin import Admin
from e2e.browsing import a_browser
from e2e.configuration import UPSTREAM_KEY, a_house
from e2e.processes import House, fake_upstream, llama


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of what is slow because it builds."""
    config.addinivalue_line("markers", "wheel: builds a wheel and installs it into an empty environment")


@pytest.fixture(scope="session")
def llama_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama.cpp's own server on a tiny model; it wants UPSTREAM_KEY."""
    child, url = llama(tmp_path_factory.mktemp("llama"), UPSTREAM_KEY)
    yield url
    child.stop()


@pytest.fixture(scope="session")
def house(llama_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keyhouse in front of llama.cpp, with its first organization. Each test makes keys of its own."""
    made = a_house(tmp_path_factory.mktemp("house"), llama_url)
    yield made
    made.stop()
    made.verify()


@pytest.fixture(scope="session")
def embedding_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama.cpp's own server on the same tiny model, started for embeddings."""
    child, url = llama(tmp_path_factory.mktemp("embedding"), UPSTREAM_KEY, embeddings=True)
    yield url
    child.stop()


@pytest.fixture(scope="session")
def embedding_house(embedding_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keyhouse in front of the llama.cpp for embeddings."""
    made = a_house(tmp_path_factory.mktemp("embedding-house"), embedding_url)
    yield made
    made.stop()
    made.verify()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with a_browser() as opened:
        yield opened


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[House]:
    """A Keyhouse that nobody has set up."""
    made = House(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def admin(house: House) -> Iterator[Admin]:
    """The administrator of `house`."""
    with Admin(house) as acting:
        yield acting


@pytest.fixture
def sdk(house: House) -> Iterator[Callable[[str], OpenAI]]:
    """Makes OpenAI's own clients of `house`, given a secret. They do not repeat calls by themselves."""
    made: list[OpenAI] = []

    def client(secret: str) -> OpenAI:
        made.append(OpenAI(base_url=f"{house.url}/v1", api_key=secret, max_retries=0, timeout=30))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def scripted_record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scripted upstream writes what it sees."""
    return tmp_path_factory.mktemp("scripted") / "record.txt"


@pytest.fixture(scope="session")
def scripted_house(scripted_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keyhouse in front of the scripted upstream."""
    upstream, url = fake_upstream(scripted_record)
    made = a_house(tmp_path_factory.mktemp("scripted-house"), url)
    yield made
    made.stop()
    upstream.stop()
    made.verify()


@pytest.fixture
def scripted_admin(scripted_house: House) -> Iterator[Admin]:
    """The administrator of `scripted_house`."""
    with Admin(scripted_house) as acting:
        yield acting
