"""Each guard is taken out of a copy of the source, and the tests that it belongs to are run against that: they fail.

`make soak` runs this; `pytest -m soak tests/guards -k slow-heads` runs one. What is planted is text, so that a guard of
any room can be taken out, and whatever the tests start, processes too, imports the copy.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from e2e.processes import clean_environment
from guards.table import Bug, bugs
from house.source import ROOT

pytestmark = pytest.mark.soak

TEST_SECONDS: Final = 60
"""How long a test may take that waits for what a guard would have done."""

ANYWHERE: Final = ("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError", "AttributeError", "TypeError")
"""How a source fails that the planting itself has broken: no sign that a test looks at the guard."""

PLUGINS: Final = ("pytest_asyncio.plugin", "pytest_timeout")
"""What the tests need: to load the others takes longer than most of the tests."""


def copied(folder: Path) -> Path:
    """A copy of the source."""
    return Path(shutil.copytree(ROOT / "src", folder / "src"))


def run(source: Path, tests: Iterable[str]) -> tuple[dict[str, list[str]], str]:
    """Run tests on this source: how each went wrong, where it did, by its name; and what was said."""
    report = source.parent / "report.xml"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", *(word for name in PLUGINS for word in ("-p", name))),
            *("--timeout", str(TEST_SECONDS), f"--junitxml={report}", *tests),
        ],
        cwd=ROOT,
        env=clean_environment() | {"PYTHONPATH": str(source), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.exists():
        return {}, ended.stdout + ended.stderr
    went: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  pytest has just written it
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '')}"
        wrong = went.setdefault(name, [])
        wrong += [one.get("message", "") for one in case if one.tag == "failure"]
        wrong += [f"error outside the test: {one.get('message', '')}" for one in case if one.tag == "error"]
    return went, ended.stdout + ended.stderr


def of(went: dict[str, list[str]], test: str) -> list[str]:
    """How a test, or one of its parameters, went wrong."""
    return [wrong for name, found in went.items() if name == test or name.startswith(f"{test}[") for wrong in found]


def is_noticed(went: dict[str, list[str]], test: str) -> bool:
    return any(not wrong.startswith(("error outside", *ANYWHERE)) for wrong in of(went, test))


@pytest.fixture(scope="session")
def unharmed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """How the tests of all chosen bugs go on a copy in which nothing is planted."""
    chosen = [item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")]
    tests = sorted({test for name in chosen if name in bugs() for test in bugs()[name].noticed_by})
    went, said = run(copied(tmp_path_factory.mktemp("unharmed")), tests)
    assert went, said
    return went


@pytest.mark.parametrize("name", bugs())
def test_without_its_guard_each_test_of_a_claim_fails(
    tmp_path: Path, unharmed: dict[str, list[str]], name: str
) -> None:
    bug: Bug = bugs()[name]
    for test in bug.noticed_by:
        assert any(ran.partition("[")[0] == test.partition("[")[0] for ran in unharmed), f"{test} does not run"
        assert of(unharmed, test) == [], f"{test} fails although nothing is planted"
    source = copied(tmp_path)
    bug.plant(source)
    went, said = run(source, bug.noticed_by)
    shutil.rmtree(source)
    unnoticed = [test for test in bug.noticed_by if not is_noticed(went, test)]
    assert unnoticed == [], (
        f"green, or red for another reason, without this guard:\n{bug.guard}\n{went}\n{said[-3000:]}"
    )
