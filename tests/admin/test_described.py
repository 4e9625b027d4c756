"""The Admin API is what its description says: every route of the table, and no answer that is not in it."""

from pathlib import Path

import pytest

from admin.matrix import Matrix, key_values
from admin.town import Town
from given_matrix import ROLES, only
from given_schema import ask_everything
from keyhouse.admin.app import ROUTES
from keyhouse.admin.described import described, shapes
from keyhouse.admin.policy import POLICY
from keyhouse.core.authority import Task
from keyhouse.wire.openapi import document


def test_every_route_of_the_table_is_described_once_with_what_it_reads() -> None:
    found = list(described())
    assert [(route.method, route.path) for route in found] == list(POLICY)
    assert len({route.name for route in found}) == len(found)
    assert all(route.summary and set(route.statuses) >= {200, 400, 401, 403, 404, 500, 503} for route in found)
    known = shapes()
    reads = {route.path: route.body for route in found if route.method == "POST"}
    assert {path for path, body in reads.items() if body is None} == {"/v1/organization/projects/{project_id}/archive"}
    assert {body for body in reads.values() if body is not None} <= set(known)
    assert known["NewKey"]["properties"].keys() >= {"name", "permissions", "limits"}
    assert len(ROUTES) == len(found)


def ask(town: Town, tmp_path: Path, examples: int) -> set[int]:
    matrix = Matrix(town, tmp_path / "keyhouse.db")
    keys = {"stranger": town.stranger, "none": "x"} | {str(kind): value for kind, value in key_values(town).items()}
    for place, role in enumerate((*ROLES, only(Task.ROLES), only(Task.LIMITS))):
        user_id, keys[role.name] = matrix.newcomer(f"asker-{place}")
        matrix.take(role, user_id)
    of_path = {line.path: matrix.ids_of(line) for line in matrix.lines.values()}
    matrix.inside.close()
    return ask_everything(document("1", described(), shapes()), town.url, keys, examples, of_path.__getitem__)


def test_no_answer_to_any_role_is_undescribed_or_a_mistake(town: Town, tmp_path: Path) -> None:
    assert {200, 400, 401, 403, 404} <= ask(town, tmp_path, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_answer_to_any_role_is_undescribed_or_a_mistake_however_long_one_asks(town: Town, tmp_path: Path) -> None:
    assert {200, 400, 401, 403, 404} <= ask(town, tmp_path, 25)
