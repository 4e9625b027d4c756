"""The Admin API is what its description says: every route of the table, and no answer that is not in it."""

import pytest

from admin.test_policy import Ids
from admin.town import Town
from given_schema import ask_everything
from keyhouse.admin.app import ROUTES
from keyhouse.admin.described import described, shapes
from keyhouse.admin.policy import POLICY
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


def ask(town: Town, examples: int) -> set[int]:
    keys = {"owner": town.owner, "reader": town.reader, "member": town.member, "stranger": town.stranger, "none": "x"}
    ids = Ids(town)
    return ask_everything(document("1", described(), shapes()), town.url, keys, examples, ids.of)


def test_no_answer_to_any_role_is_undescribed_or_a_mistake(town: Town) -> None:
    assert {200, 400, 401, 403, 404} <= ask(town, 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_answer_to_any_role_is_undescribed_or_a_mistake_however_long_one_asks(town: Town) -> None:
    assert {200, 400, 401, 403, 404} <= ask(town, 25)
