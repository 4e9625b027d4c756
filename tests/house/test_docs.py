"""The documentation is true to the code: every field, error and address of the program is in it."""

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec
import pytest
from openai.types.admin.organization.audit_log_list_response import AuditLogListResponse

from house.source import ROOT
from keyhouse import config
from keyhouse.admin.audit_shapes import NEAREST, type_of
from keyhouse.admin.policy import POLICY as ADMIN
from keyhouse.admin.policy import PROJECT_ROOT
from keyhouse.admin.policy import ROOT as ADMIN_ROOT
from keyhouse.console.policy import POLICY as CONSOLE
from keyhouse.core.errors import Code
from keyhouse.core.price_list import WrittenRate
from keyhouse.core.written import Served, WrittenModel
from keyhouse.gateway import endpoints
from keyhouse.store.audit import Event

DOCS: Final = ROOT / "docs"
SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "[server]": config.Server,
    "[database]": config.Database,
    "[secrets]": config.Secrets,
    "[retention]": config.Retention,
    "[leaks]": config.Leaks,
    "[[upstreams]]": config.Upstream,
    "[[models]]": WrittenModel,
    "[[models.upstreams]]": Served,
    "[[models.rates]]": WrittenRate,
}
SHOWN: Final[Mapping[Any, str]] = {None: "-", (): "none", msgspec.NODEFAULT: "required"}
"""How the page writes what is not a number or a text."""

METHODS: Final = frozenset({"GET", "POST", "DELETE"})


def rows(name: str) -> list[list[str]]:
    """The cells of every table row on a page."""
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_of_the_configuration_is_documented_with_its_default_and_no_other(section: str) -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    part = re.split(r"\n##+ ", text.partition(f"## `{section}`")[2], maxsplit=1)[0]
    documented = {
        cells[0].strip("` |"): cells[1]
        for line in part.splitlines()
        if line.startswith("| `") and (cells := line.split(" | "))
    }
    real = {
        field.name: SHOWN.get(field.default, str(field.default).replace("False", "false"))
        for field in msgspec.structs.fields(SECTIONS[section])
    }
    assert documented == real


def test_every_error_is_documented_and_no_other() -> None:
    listed = [cells[0].strip("`") for cells in rows("errors.md") if cells[0].startswith("`")]
    assert sorted(listed) == sorted(str(code) for code in Code)


def test_every_route_of_the_admin_api_is_documented_and_no_other() -> None:
    gateways = {route for route in addresses("api.md") if route[1].startswith("/v1")}
    documented = addresses("api.md") - {route for route in gateways if not route[1].startswith(PROJECT_ROOT)}
    assert documented == {(method, path.removeprefix(ADMIN_ROOT)) for method, path in ADMIN}


def test_every_event_of_the_audit_log_has_a_type_that_openais_client_knows_or_the_nearest_is_documented() -> None:
    known = set(get_args(AuditLogListResponse.model_fields["type"].annotation))
    others = {str(event): type_of(event) for event in Event if event not in known}
    assert set(others.values()) <= known, "add the nearest to admin/audit_shapes.py, and to docs/api.md"
    assert {str(event) for event in NEAREST} == set(others)
    listed = {word for cells in rows("api.md") for word in re.findall(r"`([a-z_.]+)`", cells[0].strip("| "))}
    assert set(others) <= listed


def test_every_endpoint_of_the_gateway_is_documented() -> None:
    served = {(method, path) for path, (method, _) in endpoints.ENDPOINTS.items()}
    assert served <= addresses("api.md")


def test_the_readme_shows_pictures_that_are_there() -> None:
    shown = re.findall(r'"(docs/pictures/[^"]+)"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name.rpartition("-")[2] for name in shown} == {"light.png", "dark.png"}
    assert [name for name in shown if not (ROOT / name).is_file()] == []


def test_every_page_of_the_console_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    pages = {"/" + path.split("/")[1] for method, path in CONSOLE if method == "GET" and "." not in path} - {"/static"}
    assert sorted(path for path in pages if f"`{path}" not in text) == []


def addresses(name: str) -> set[tuple[str, str]]:
    """Every method and path in a page's tables: `GET` `POST /a` is two, and `/c` after `POST /a/b` is POST /a/c."""
    found = set()
    for cells in rows(name):
        waiting: list[str] = []
        method = path = ""
        for word in re.findall(r"`([^`]+)`", " ".join(cells[:2])):
            first, _, rest = word.partition(" ")
            if first in METHODS and not rest:
                waiting.append(first)
            elif first in METHODS:
                method, path = first, rest
                found |= {(each, path) for each in [*waiting, method]}
                waiting = []
            elif word.startswith("/") and method:
                found.add((method, path.rpartition("/")[0] + word))
    return found


def test_every_test_that_the_page_on_security_names_is_there() -> None:
    page = (DOCS / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[a-z_0-9/]+\.py)[`:]", page))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    tests = re.findall(r"`(tests/[a-z_0-9/]+\.py)::(\w+)`", page)
    assert len(tests) > 40
    assert [name for file, name in tests if f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")] == []
