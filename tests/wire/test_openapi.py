"""The description of the API as OpenAPI 3.1."""

from keyhouse.console.policy import POLICY as CONSOLE
from keyhouse.doors import DESCRIBED
from keyhouse.furniture import reference
from keyhouse.gateway.described import described
from keyhouse.gateway.endpoints import ENDPOINTS
from keyhouse.gateway.passed import PASSED
from keyhouse.gateway.sockets import SOCKETS
from keyhouse.gateway.stored import VERBS
from keyhouse.wire.openapi import Route, by_tag, document


def test_an_operation_says_what_it_takes_and_how_it_may_answer() -> None:
    route = Route(
        "POST",
        "/a/{b_id}",
        "make_b",
        "b",
        "Make one.",
        (200, 409),
        "AdminApiKey",
        ("limit", "x[]"),
        frozenset({"limit"}),
        "B",
    )
    described = document("1.2.3", [route], {"B": {"type": "object"}})
    operation = described["paths"]["/a/{b_id}"]["post"]
    assert [(each["name"], each["in"], each["required"]) for each in operation["parameters"]] == [
        ("b_id", "path", True),
        ("limit", "query", True),
        ("x[]", "query", False),
    ]
    assert list(operation["responses"]) == ["200", "409"]
    assert operation["security"] == [{"AdminApiKey": []}]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/B"}
    error = operation["responses"]["409"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/Error"}
    assert (described["openapi"], described["info"]["version"]) == ("3.1.0", "1.2.3")


def test_an_address_that_takes_a_websocket_is_described_as_a_request_that_becomes_one() -> None:
    paths = reference()["paths"]
    for path in SOCKETS:
        responses = paths[path]["get"]["responses"]
        assert responses["101"] == {"description": "The connection has become a WebSocket."}
        assert "$ref" in responses["401"]["content"]["application/json"]["schema"]
    found = {(one["name"], one["in"], one["required"]) for one in paths["/v1/realtime"]["get"]["parameters"]}
    assert found == {("intent", "query", False), ("model", "query", False)}


def test_the_whole_description_holds_every_address_once_and_each_operation_has_a_name_of_its_own() -> None:
    whole = reference()
    found = {(method.upper(), path) for path, methods in whole["paths"].items() for method in methods}
    assert {(method, path) for path, (method, _) in ENDPOINTS.items()} <= found
    assert {
        (verb.method, f"/v1/responses/{{response_id}}/{tail}".rstrip("/"))
        for tail, verbs in VERBS.items()
        for verb in verbs
    } <= found
    assert {(passed.method, f"/v1{passed.path}") for passed in PASSED} <= found
    assert {("POST", "/v1/batches"), ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")} <= found
    assert {(route.method, route.path) for route in DESCRIBED if route.path in ("/docs", "/openapi.json")} <= set(
        CONSOLE
    )
    names = [each["operationId"] for _, operations in by_tag(whole) for each in operations]
    assert len(names) == len(set(names)) == len(found)
    assert {429, 503} <= {status for route in described() for status in route.statuses}
