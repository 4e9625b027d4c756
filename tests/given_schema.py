"""Requests that Hypothesis makes of the API's own description, and what must hold for every answer."""

from collections.abc import Callable, Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


def ask_everything(
    description: Mapping[str, Any],
    url: str,
    keys: Mapping[str, str],
    examples: int,
    ids: Callable[[str], Mapping[str, str]] = lambda _path: {},
) -> set[int]:
    """Ask every operation that is described with so many made-up requests, each of them with each key, none retried.

    `ids` are those of things that are there, by the names they have in a path; half of the requests name them. No
    answer may be a mistake of the server's, or have a status, a type or a form that is not described. The statuses.
    """
    schema: Any = schemathesis.openapi.from_dict(dict(description))
    schema.config.update(base_url=url)
    seen: set[int] = set()
    for found in schema.get_all_operations():
        seen |= _ask(found.ok(), keys, examples, ids)
    return seen


def _ask(operation: Any, keys: Mapping[str, str], examples: int, ids: Callable[[str], Mapping[str, str]]) -> set[int]:
    seen: set[int] = set()

    @given(case=operation.as_strategy(), is_there=strategies.booleans())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, is_there: bool) -> None:
        if is_there and case.path_parameters:
            known = ids(operation.path)
            case.path_parameters = {name: known.get(name, made) for name, made in case.path_parameters.items()}
        for name, key in keys.items():
            answer = case.call(headers={"authorization": f"Bearer {key}"})
            case.validate_response(answer, checks=CHECKS)
            # What an upstream gets wrong is told as such, and is no mistake of Keyhouse's.
            is_known = answer.status_code < 500 or answer.json()["error"]["reason"].startswith("upstream_")
            assert is_known, f"{name}: {answer.text}"
            seen.add(answer.status_code)

    ask()
    return seen
