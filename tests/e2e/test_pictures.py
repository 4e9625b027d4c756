"""The pictures of the documentation, taken of a real Keyhouse with a made-up organization: `make pictures`.

Each page stands in docs/pictures in light and in dark, as a desk sees it. Nothing is touched up.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final, get_args

import pytest
from playwright.sync_api import Browser, Page

from e2e.browsing import Scheme, Visitor, a_browser
from e2e.processes import ROOT, House

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(600)]

PICTURES: Final = ROOT / "docs" / "pictures"
PAGES: Final = {
    "api-keys": "/api-keys",
    "key": "",
    "usage": "/usage?period=7d",
    "performance": "/performance?period=7d",
    "costs": "/costs",
    "limits": "/limits",
}
"""What is shown, by the names of the files; of keys, the one that was used last and has a budget."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, str, str]]:
    """A Keyhouse with weeks of calls, and its owner's e-mail and password."""
    house = House(tmp_path_factory.mktemp("pictures"))
    made = house.command("demo", "seed", "--data", str(house.data), "--json").json
    house.start()
    yield house, made["sign in as"], made["password"]
    house.stop()


def test_pictures_of_the_main_pages(browser: Browser, demo: tuple[House, str, str], tmp_path: Path) -> None:
    house, email, password = demo
    state = tmp_path / "state.json"
    with Visitor(browser, house.url) as visitor:
        visitor.sign_in(email, password)
        visitor.context.storage_state(path=state)
        key = page_of_a_key_with_a_budget(visitor.page)
    for (name, path), scheme in product(PAGES.items(), get_args(Scheme)):
        with Visitor(browser, house.url, scheme=scheme, storage_state=state) as visitor:
            visitor.see(path or key)
            visitor.page.wait_for_load_state("networkidle")
            taken = PICTURES / f"{name}-{scheme}.png"
            visitor.picture(taken)
            make_smaller(taken)
        assert visitor.complaints == []


def page_of_a_key_with_a_budget(page: Page) -> str:
    row = page.get_by_role("row", name=re.compile(r"\$[\d.]+ of \$")).first
    path = row.locator("a.name").get_attribute("href")
    assert path is not None
    return path


def make_smaller(picture: Path) -> None:
    """Keep 256 colours, which is all that these pages have, where pngquant is there to do it."""
    if (pngquant := shutil.which("pngquant")) is not None:
        subprocess.run([pngquant, "--force", "--nofs", "--strip", "--output", picture, "256", picture], check=True)
