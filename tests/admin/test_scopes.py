"""OpenAI's scopes in Keyhouse's permissions: never more than was said."""

import pytest

from keyhouse.admin.scopes import permissions_of_new, permissions_of_scopes
from keyhouse.core.permissions import ALL, READ_ONLY, Access, Resource


def test_no_scopes_mean_everything_and_all_read_means_reading() -> None:
    assert permissions_of_scopes([]) == ALL
    assert permissions_of_scopes(["api.all.read"]) == READ_ONLY


def test_a_new_key_may_do_everything_only_where_nothing_was_said() -> None:
    assert permissions_of_new(None) == ALL
    assert permissions_of_new(["api.all.read"]) == READ_ONLY
    with pytest.raises(ValueError, match="leave it out"):
        permissions_of_new([])


def test_a_scope_grants_what_it_names_and_nothing_else() -> None:
    held = permissions_of_scopes(["api.files.read", "api.model.read"])
    allowed = {(r, a) for r in Resource for a in Access if held.allow(r, a)}
    assert allowed == {(Resource.FILES, Access.READ), (Resource.MODELS, Access.READ)}


def test_write_stays_write_whatever_else_is_named() -> None:
    for scopes in (["api.files.write", "api.files.read"], ["api.files.read", "api.files.write"]):
        assert permissions_of_scopes(scopes).grants == {Resource.FILES: Access.WRITE}
    reading = permissions_of_scopes(["api.all.read", "api.files.write"])
    assert reading.grants[Resource.FILES] is Access.WRITE
    assert reading.grants[Resource.BATCHES] is Access.READ


def test_model_request_grants_calls_of_models_only() -> None:
    held = permissions_of_scopes(["model.request"])
    assert held.allow(Resource.CHAT_COMPLETIONS, Access.WRITE)
    assert not held.allow(Resource.FILES, Access.READ)


@pytest.mark.parametrize("scope", ["", "api", "api.files", "files.own", "api.everything.read", "api.all.write", "*"])
def test_a_scope_that_means_nothing_here_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        permissions_of_scopes([scope])
