"""Admin keys through OpenAI's own client, strict about every field."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from admin.town import NOW, Town
from keyhouse.core.secret import Kind, parse, redact


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def test_paging_one_by_one_gives_every_admin_key_once_in_the_order_asked_for(town: Town, sdk: OpenAI) -> None:
    for _ in range(3):
        town.clock.turn(seconds=1)
        town.admin_key()
    keys = sdk.admin.organization.admin_api_keys
    rising = list(keys.list(limit=1))
    assert len(rising) == 6
    assert all(one.created_at <= two.created_at for one, two in pairwise(rising))
    assert [key.id for key in keys.list(limit=1, order="desc")] == [key.id for key in reversed(rising)]
    assert [key.id for key in keys.list(limit=100)] == [key.id for key in rising]


def test_an_admin_keys_value_is_in_the_answer_that_made_it_and_nowhere_else(town: Town, sdk: OpenAI) -> None:
    keys = sdk.admin.organization.admin_api_keys
    made = keys.create(name="terraform", expires_in_seconds=3600)
    secret = parse(made.value)
    assert secret is not None
    assert (secret.kind, secret.key_id) == (Kind.ADMIN, made.id)
    assert made.redacted_value == redact(made.value)
    assert made.expires_at == NOW + 3600
    assert (made.owner.id, made.owner.role) == ("user-1", "owner")
    found = keys.retrieve(made.id)
    assert "value" not in (found.model_extra or {})
    assert made.value not in town.ask("GET", "/admin_api_keys?limit=100").text
    with town.sdk(made.value) as other:
        assert other.admin.organization.projects.retrieve("proj_1").id == "proj_1"
        gone = other.admin.organization.admin_api_keys.delete(made.id)  # its own
        assert (gone.id, gone.deleted) == (made.id, True)
        with pytest.raises(Exception, match="revoked") as refused:
            other.admin.organization.projects.retrieve("proj_1")
        assert getattr(refused.value, "status_code", None) == 401
    with pytest.raises(NotFoundError):
        keys.retrieve(made.id)


@pytest.mark.parametrize("seconds", [0, -1, 31_536_001])
def test_an_admin_key_may_last_from_a_second_to_a_year(sdk: OpenAI, seconds: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        sdk.admin.organization.admin_api_keys.create(name="x", expires_in_seconds=seconds)
    assert refused.value.param == "expires_in_seconds"
