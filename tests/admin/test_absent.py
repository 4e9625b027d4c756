"""What OpenAI has and Keyhouse has not is 404 with its name, to whoever may come in."""

import pytest
from openai import NotFoundError

from admin.town import Town, refusal
from keyhouse.admin.absent import feature_at
from keyhouse.core.errors import Code


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/certificates", "no certificates (mutual TLS)"),
        ("POST", "/certificates/activate", "no certificates"),
        ("DELETE", "/certificates/cert_1", "no certificates"),
        ("POST", "/projects/proj_1/certificates/deactivate", "no certificates"),
        ("GET", "/data_retention", "no data retention"),
        ("POST", "/projects/proj_1/data_retention", "no data retention"),
        ("GET", "/projects/proj_1/hosted_tool_permissions", "no hosted tool permissions"),
        ("GET", "/projects/proj_1/service_tier_settings", "no service tier settings"),
        ("POST", "/external_keys/key_1/validate", "no external keys"),
        ("GET", "/external_storage", "no external storage"),
        ("GET", "/workload_identity_providers/a/federation_rules/b", "no workload identity providers"),
    ],
)
def test_what_is_not_here_is_404_with_its_name(town: Town, method: str, path: str, words: str) -> None:
    answer = town.ask(method, path)
    assert refusal(answer) == (404, None, Code.ENDPOINT_UNKNOWN)
    assert words in answer.json()["error"]["message"]
    assert refusal(town.ask(method, path, key=""))[0] == 401


def test_openais_client_takes_it_for_something_that_is_not_there(town: Town) -> None:
    with town.sdk() as sdk, pytest.raises(NotFoundError, match="certificates"):
        sdk.admin.organization.certificates.list()


def test_nothing_else_is_named() -> None:
    for path in ("/v1/organization/projects", "/v1/organization/certificatesx", "/v1/certificates", "/certificates"):
        assert feature_at(path) is None
