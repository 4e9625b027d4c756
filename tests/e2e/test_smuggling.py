"""What is in the bytes is one request or none: through Keyhouse alone, behind nginx, and on another server."""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.admin import Admin
from e2e.by_nginx import nginx
from e2e.configuration import a_house
from e2e.corpus import REFUSED, SERVED, TURNED_DOWN, Corpus
from e2e.processes import TESTS, House, fake_upstream

HONEST = b"GET /healthz HTTP/1.1\r\nhost: keyhouse\r\nconnection: close\r\n\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture(scope="module")
def corpus(scripted_house: House) -> Corpus:
    with Admin(scripted_house) as admin:
        return Corpus(admin.create_key("smuggler")["value"])


@pytest.fixture(scope="module")
def nginx_url(scripted_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same Keyhouse behind nginx, set up as the documentation says."""
    child, url = nginx(tmp_path_factory.mktemp("nginx"), scripted_house.port)
    yield url
    child.stop()


async def heard(url: str, data: bytes) -> tuple[list[int], bytes]:
    """Every status in the answers to these bytes and an honest request behind them, and the answers."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    got = b""
    try:
        async with asyncio.timeout(20):
            writer.write(data + HONEST)
            while more := await reader.read(65_536):
                got += more
    except ConnectionError:
        pass  # it was closed while we were still talking
    finally:
        writer.close()
    return [int(status) for status in STATUS.findall(got) if status != b"100"], got


def seen_by(record: Path) -> int:
    """How many requests the upstream has seen."""
    return record.read_text().count("seen ")


async def walk(url: str, corpus: Corpus, record: Path) -> dict[str, str]:
    """What became of every request of the corpus, in a word."""
    found = {}
    for name, data, _ in corpus:
        before = seen_by(record)
        statuses, got = await heard(url, data)
        served = seen_by(record) - before
        match statuses:
            case []:
                found[name] = REFUSED
            case [status] if 400 <= status <= 505 and served == 0:
                found[name] = REFUSED
            case [status, 200] if 400 <= status <= 499 and served == 0 and b"ok\n" in got:
                found[name] = TURNED_DOWN
            case [200] if served == 1:
                found[name] = SERVED
            case [200, 200] if served <= 1 and b"ok\n" in got:
                found[name] = SERVED
            case _:
                found[name] = f"{statuses}, {served} served"
    return found


def odd(found: dict[str, str]) -> dict[str, str]:
    """What is neither one request nor none."""
    return {name: what for name, what in found.items() if what not in (REFUSED, SERVED, TURNED_DOWN)}


@pytest.mark.asyncio
async def test_keyhouse_alone_reads_one_request_or_none(
    scripted_house: House, scripted_record: Path, corpus: Corpus
) -> None:
    found = await walk(scripted_house.url, corpus, scripted_record)
    assert found == {name: expected for name, _, expected in corpus}


@pytest.mark.asyncio
async def test_behind_nginx_it_is_one_request_or_none(nginx_url: str, scripted_record: Path, corpus: Corpus) -> None:
    found = await walk(nginx_url, corpus, scripted_record)
    assert odd(found) == {}
    assert found["nothing wrong"] == SERVED


@pytest.mark.asyncio
async def test_on_another_server_it_is_one_request_or_none(tmp_path: Path) -> None:
    record = tmp_path / "record.txt"
    upstream, url = fake_upstream(record)
    house = a_house(tmp_path, url, serve=(sys.executable, str(TESTS / "e2e" / "by_uvicorn.py")))
    with Admin(house) as admin:
        corpus = Corpus(admin.create_key()["value"])
    found = await walk(house.url, corpus, record)
    house.stop()
    upstream.stop()
    assert odd(found) == {}
    assert found["nothing wrong"] == SERVED


@pytest.mark.asyncio
async def test_requests_behind_one_another_are_answered_one_by_one_and_in_order(
    scripted_house: House, scripted_record: Path, corpus: Corpus
) -> None:
    before = seen_by(scripted_record)
    lost = corpus.request(line=b"POST /v1/nowhere HTTP/1.1")
    statuses, _ = await heard(scripted_house.url, corpus.request() + lost + corpus.request())
    assert statuses == [200, 404, 200, 200]
    assert seen_by(scripted_record) - before == 2
