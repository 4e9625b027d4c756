"""Every route of the Admin API asked by everyone, by the table in `matrix.txt`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from litestar import get

from admin.matrix import LINES, Answer, Inside, Matrix, key_values
from admin.town import Town, a_town, refusal, run
from given import NOON
from given_calls import id_at
from given_matrix import ROLES, Line, Role, all_but, only, places
from keyhouse.admin.app import ROUTES, build
from keyhouse.admin.described import described, shapes
from keyhouse.admin.policy import POLICY, ROOT, authorize
from keyhouse.core.authority import PROJECT_ROLES, Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.doors import Doors
from keyhouse.store import schema
from keyhouse.store.engine import Actor


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    """One town for every walk: each puts back what it changed."""
    folder: Path = tmp_path_factory.mktemp("matrix")
    with a_town(folder) as town:
        made = Matrix(town, folder / "keyhouse.db")
        yield made
        made.inside.close()


def test_every_route_has_its_place_in_the_matrix_and_takes_what_the_policy_says() -> None:
    assert set(LINES) == set(POLICY)
    for route, policy in POLICY.items():
        assert (policy if isinstance(policy, Task) else policy.task) is LINES[route].tasks[0], route


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_everyone_may_what_the_matrix_says_and_nothing_else(matrix: Matrix, role: Role) -> None:
    walk(matrix, role, list(matrix.lines.values()))


@pytest.mark.parametrize("task", Task, ids=str)
def test_one_permission_is_enough_and_all_others_are_not(matrix: Matrix, task: Task) -> None:
    routes = [line for line in matrix.lines.values() if task in line.tasks]
    walk(matrix, only(task), routes)
    walk(matrix, all_but(task), routes)


def walk(matrix: Matrix, role: Role, routes: list[Line]) -> None:
    """Ask these routes as someone with this role: what is refused changes nothing, what is allowed is done."""
    held, grants = role.organization, role.grants("proj_1")
    allowed = [line for line in routes if line.allows(held, grants, "proj_1")]
    with matrix.kept() as put_back:
        matrix.take(role)
        before = matrix.rows.everything()
        for line in routes:
            if line in allowed:
                continue
            answer = matrix.ask(line, matrix.asks_with)
            if line.is_seen:
                shown = [name for name in ("proj_1", *matrix.ids_of(line).values()) if f'"{name}"' in answer.text]
                assert (answer.status, shown) == (200, []), (line, answer)
            else:
                expected = line.refusal(held, grants, "proj_1")
                code = Code.NOT_FOUND if expected == 404 else Code.NOT_PERMITTED
                assert (answer.status, answer.reason) == (expected, code), (line, answer)
        assert matrix.rows.everything() == before
        with matrix.kept() as put_this_back:
            for line in allowed:
                answer = matrix.ask(line, matrix.asks_with)
                assert answer.status == 200, (line, answer)
                if line.method != "GET" and not line.path.endswith("/test"):
                    assert len(matrix.rows.everything()["audit_events"]) > len(before["audit_events"]), line
                    put_this_back()
        put_back()


@pytest.mark.parametrize("project_role", PROJECT_ROLES)
def test_what_is_ones_own_takes_less(matrix: Matrix, project_role: str) -> None:
    role, path = Role("own", project=project_role), f"{ROOT}/projects/proj_1/api_keys"
    with matrix.kept() as put_back_all:
        matrix.take(ROLES[0])
        made = matrix.inside.ask("POST", path, matrix.asks_with, {"name": "own"})
        own = msgspec.json.decode(made.text)["id"]
        matrix.inside.ask("POST", f"{path}/{own}/rotate", matrix.asks_with, {"overlap_seconds": 3600})
        matrix.take(role)
        with matrix.kept() as put_back:
            for line in matrix.lines.values():
                if "api_keys/{key_id}" in line.path and "admin_api_keys" not in line.path:
                    answer = matrix.ask(line, matrix.asks_with, matrix.ids_of(line) | {"key_id": own})
                    passes = line.allows("member", role.grants("proj_1"), "proj_1", is_own=True)
                    assert (answer.status == 200) is passes, (line, answer)
                    put_back()
        put_back_all()


def test_nobody_gets_in_without_a_living_admin_key(matrix: Matrix) -> None:
    town = matrix.town
    with matrix.kept() as put_back:
        issued = run(town.keys.create_admin(town.actor(), "gone", None))
        run(town.keys.revoke_admin(town.actor(), issued.key.id))
        expired = run(town.keys.create_admin(town.actor(), "short", town.clock.now_ms() + 1)).value
        town.clock.turn(ms=1)
        wrong: dict[str | None, Code] = {
            None: Code.CREDENTIAL_MISSING,
            issued.value: Code.KEY_REVOKED,
            expired: Code.KEY_EXPIRED,
            town.owner[:-1] + ("A" if town.owner[-1] != "A" else "B"): Code.KEY_MALFORMED,
            "x' OR 1=1 --": Code.KEY_MALFORMED,
        }
        wrong |= dict.fromkeys(key_values(town).values(), Code.KEY_WRONG_KIND)
        before = matrix.rows.everything()
        for line in matrix.lines.values():
            for key, code in wrong.items():
                answer = matrix.ask(line, key)
                assert (answer.status, answer.reason) == (401, code), (line, answer)
        assert matrix.rows.everything() == before
        put_back()


def test_two_credentials_are_refused_even_if_one_is_right(town: Town) -> None:
    headers = [("authorization", f"Bearer {town.owner}"), ("authorization", f"Bearer {town.stranger}")]
    answer = httpx.get(f"{town.url}/v1/organization/projects", headers=headers)
    assert refusal(answer) == (400, None, Code.CREDENTIAL_TWICE)


def test_a_cookie_is_never_a_credential(town: Town) -> None:
    for name in ("keyhouse", "__Host-keyhouse"):
        answer = town.ask("GET", "/projects", key="", headers={"cookie": f"{name}={town.owner}"})
        assert refusal(answer) == (401, None, Code.CREDENTIAL_MISSING)


OTHERS = {
    "project_ids": "project_id",
    "user_ids": "user_id",
    "api_key_ids": "key_id",
    "actor_ids": "admin_key_id",
    "resource_ids": "key_id",
    "scope_id": "key_id",
    "group_ids": "group_id",
}
"""Query filters that take ids, and the name of the id that they take."""


def questions(line: Line) -> Iterator[tuple[str, str]]:
    """Each filter of a list that takes an id, and the name of that id; a cursor takes that of what is listed."""
    listed = next((places(each.path)[-1] for each in LISTED if each.path.rpartition("/")[0] == line.path), "call_id")
    for query in QUERIES.get((line.method, line.path), ()):
        name = query.removesuffix("[]")
        if name in ("after", "before") and listed not in NO_IDS:
            yield query, listed
        elif name in OTHERS:
            yield query, OTHERS[name]


LISTED = [line for line in LINES.values() if line.path.endswith("}")]
QUERIES = {(route.method, route.path): route.query for route in described()}
NOBODYS = {"call_id": id_at(NOON)}
"""Ids that nobody has, where they must have a form."""

NO_IDS = {"n", "soon", "rate_limit_id"}


def test_another_organizations_id_is_no_different_from_one_that_nobody_has(matrix: Matrix) -> None:
    """In each place of a path and of a body, and in each filter; what is asked is otherwise the asker's own."""
    before, asked = matrix.rows.everything(), 0
    with matrix.kept() as put_back:
        for line in matrix.lines.values():
            own, theirs = matrix.ids_of(line, "2"), matrix.ids_of(line)

            def ask(ids: dict[str, str], query: str = "", line: Line = line) -> Answer:
                address = f"{line.address(ids)}{'&' if line.query else '?'}{query}" if query else line.address(ids)
                return matrix.inside.ask(line.method, address, matrix.town.stranger, line.written(ids))

            for name in places(line.path + (line.body or "")):
                if name in NO_IDS:
                    continue
                nobodys = NOBODYS.get(name, "nobodys")
                found, missing = ask(own | {name: theirs[name]}), ask(own | {name: nobodys})
                assert 400 <= found.status < 500, (line, name, found)
                assert found.status == 404 or f"{{{name}}}" not in line.path, (line, name, found)
                assert found.text.replace(theirs[name], nobodys) == missing.text, (line, name)
                asked += 1
            for query, name in questions(line):
                nobodys = NOBODYS.get(name, "nobodys_id")
                found, missing = ask(own, f"{query}={theirs[name]}"), ask(own, f"{query}={nobodys}")
                assert found.status == missing.status < 500, (line, query, found)
                assert found.text.replace(theirs[name], nobodys) == missing.text, (line, query)
                asked += 1
        assert matrix.rows.everything() == before
        put_back()
    assert asked > 150


def test_no_name_of_a_column_is_stored_by_being_sent(matrix: Matrix) -> None:
    names = {column.name for table in schema.METADATA.tables.values() for column in table.columns}
    names |= {"role", "is_admin", "user_role", "allowed_routes", "value", "secret", "token", "password"}
    with matrix.kept() as put_back:
        for line in matrix.lines.values():
            if line.method == "GET":
                continue
            ids = matrix.ids_of(line)
            sent = stuffed(line.written(ids) or {}, names - FIELDS.get((line.method, line.path), set()))
            answer = matrix.inside.ask(line.method, line.address(ids), matrix.town.owner, sent)
            if answer.status != 200:
                assert (answer.status, answer.reason) == (400, Code.PARAMETER_UNKNOWN), (line, answer)
            assert MARK not in str(matrix.rows.everything()), line
            assert MARK not in answer.text, line
            put_back()


def fields_of(shape: str, known: dict[str, Any]) -> set[str]:
    """The names of all fields of a shape and of those in it."""
    inside = set(re.findall(r"#/components/schemas/(\w+)", str(known[shape])))
    return set(known[shape].get("properties", ())).union(*(fields_of(each, known) for each in inside))


MARK = "stored-by-being-sent"
FIELDS = {(route.method, route.path): fields_of(route.body, shapes()) for route in described() if route.body}


def stuffed(body: Any, names: set[str]) -> Any:
    """A body with a field of each of these names in every object of it, where it has none of its own."""
    if isinstance(body, list):
        return [stuffed(each, names) for each in body]
    if not isinstance(body, dict):
        return body
    return {name: f"{MARK} {name}" for name in names} | {name: stuffed(each, names) for name, each in body.items()}


def test_a_host_that_is_odd_reaches_no_route(matrix: Matrix) -> None:
    async def nowhere(*_: object) -> None:
        raise AssertionError("another door")

    doors = Doors(
        gateway=nowhere,
        admin=cast("Any", build(matrix.town.office)),
        console=nowhere,
        is_ready=lambda: True,
        metrics=bytes,
        statuses={},
        entropy=matrix.town.entropy,
    )
    outside, before = Inside(doors), matrix.rows.everything()
    for line in matrix.lines.values():
        ids = matrix.ids_of(line)
        for host in (b"a/v1/organization/projects?", b"a@b", b"a b", b"a#", b"a,b", b"\xff", b"a:80:80", b""):
            answer = outside.ask(line.method, line.address(ids), matrix.town.owner, line.written(ids), host)
            assert answer.status == 400, (line, host, answer)
    outside.close()
    assert matrix.rows.everything() == before


def test_another_organizations_things_are_in_no_list(matrix: Matrix) -> None:
    for line in matrix.lines.values():
        if line.method == "GET":
            answer = matrix.ask(line, matrix.town.stranger, matrix.ids_of(line, "2"))
            assert answer.status == 200, (line, answer)
            ours = {value for name, value in matrix.ids["1"].items() if name not in NO_IDS}
            assert not [name for name in ours if name in answer.text], (line, answer)


def test_a_route_without_a_policy_does_not_start(town: Town) -> None:
    @get(f"{ROOT}/forgotten")
    async def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(ValueError, match="forgotten"):
        build(town.office, (*ROUTES, forgotten))
    with pytest.raises(ValueError, match="costs"):
        build(town.office, ROUTES[:-1])


def test_a_route_that_is_not_in_the_table_is_refused_to_an_owner_too() -> None:
    owner = Actor("api_key", "org-1", "user-1", "ada@example.com", "owner")
    with pytest.raises(Refusal) as refused:
        authorize(owner, "OPTIONS", f"{ROOT}/projects", None)
    assert refused.value.code is Code.METHOD_NOT_ALLOWED


def test_someone_with_an_unknown_role_reads_nothing() -> None:
    nobody = Actor("api_key", "org-1", "user-1", "ada@example.com", "guest")
    with pytest.raises(Refusal) as refused:
        authorize(nobody, "GET", f"{ROOT}/projects", None)
    assert refused.value.code is Code.NOT_PERMITTED


def test_what_is_not_there_says_so_in_openais_shape(town: Town) -> None:
    assert refusal(town.ask("GET", "/nothing")) == (404, None, Code.ENDPOINT_UNKNOWN)
    assert refusal(town.ask("GET", "")) == (404, None, Code.ENDPOINT_UNKNOWN)
    assert refusal(town.ask("PATCH", "/projects")) == (405, None, Code.METHOD_NOT_ALLOWED)
    for method, path, allowed in (
        ("PATCH", "/projects", "GET, POST"),
        ("OPTIONS", "/projects", "GET, POST"),
        ("PUT", "/projects/proj_1/api_keys/key_1", "DELETE, GET, POST"),
        ("GET", "/projects/proj_1/archive", "POST"),
    ):
        answer = town.ask(method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (405, allowed), path
    assert refusal(town.ask("GET", "/nothing", key="")) == (401, None, Code.CREDENTIAL_MISSING)


def test_every_answer_has_a_request_id_and_is_stored_by_nobody(town: Town) -> None:
    answers = [town.ask("GET", "/projects"), town.ask("GET", "/nothing"), town.ask("GET", "/projects", key="")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    for answer in answers:
        assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]
