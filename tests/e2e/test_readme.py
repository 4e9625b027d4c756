"""What README says to type can be typed, from its top to its bottom, by somebody who has done nothing else before."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import PASSWORD, Visitor
from e2e.processes import ROOT, House, clean_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path).start()
    yield made
    made.stop()


def commands(heading: str) -> list[str]:
    """The lines that begin with a prompt in the first console block below a heading."""
    below = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    block = below.partition("```console\n")[2].partition("```")[0]
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def test_the_command_line_runs_from_top_to_bottom_after_a_set_up_in_the_browser(house: House, browser: Browser) -> None:
    with Visitor(browser, house.url) as visitor:
        set_up(visitor.page, house)
        admin_key = shown(visitor.page, "/settings/admin-keys/new", "Create admin key")
        secret = shown(visitor.page, "/api-keys/new", "Create key")
        visitor.page.goto("/quickstart")
        expect(visitor.page.get_by_text("Waiting for a call")).to_be_visible()
        with OpenAI(base_url=f"{house.url}/v1", api_key=secret) as client:
            client.chat.completions.create(model="keyhouse-demo", messages=[{"role": "user", "content": "Say hello"}])
        expect(visitor.page.get_by_text("A call arrived")).to_be_visible()
    (call,) = house.rows("SELECT id FROM calls")
    subprocess.run(["git", "init", "--quiet", str(house.folder)], check=True)
    export, *lines = commands("From the command line")
    assert export.startswith("export PATH=$PWD/.venv/bin:$PATH KEYHOUSE_ADMIN_KEY=")
    environment = clean_environment() | {"KEYHOUSE_URL": house.url, "KEYHOUSE_ADMIN_KEY": admin_key}
    assert len(lines) > 10
    for line in lines:
        name, *words = shlex.split(re.sub(r"\bcall_\w+", call["id"], line), comments=True)
        assert name == "keyhouse", line
        ended = subprocess.run(
            [str(Path(sys.executable).with_name(name)), *words],
            cwd=house.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"


def set_up(page: Page, house: House) -> None:
    """Open the one-time link, and become the first owner."""
    assert house.child is not None
    page.goto(next(word for word in house.child.said.split() if "/set-up/" in word))
    page.get_by_label("Organization").fill("Acme")
    page.get_by_label("Your e-mail").fill("ada@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create organization").click()
    page.wait_for_url("**/api-keys")


def shown(page: Page, path: str, button: str) -> str:
    """Make a key by its sheet; its secret."""
    page.goto(path)
    page.get_by_label("Name", exact=True).fill("first")
    page.get_by_role("button", name=button).click()
    return (page.locator("#secret").text_content() or "").strip()
