"""A project's model permissions over HTTP; what they do to a call is in `tests/gateway` and `tests/e2e`."""

import msgspec
import pytest
from openai import NotFoundError

from admin.town import Town, refusal
from keyhouse.core.errors import Code

PATH = "/projects/proj_1/model_permissions"


def test_a_strict_client_sets_reads_and_deletes_them_and_every_key_is_told(town: Town) -> None:
    key_id, _ = town.project_key()
    with town.sdk() as sdk:
        permissions = sdk.admin.organization.projects.model_permissions
        with pytest.raises(NotFoundError):
            permissions.retrieve("proj_1")
        for mode, models in (("allow_list", ["tiny-1", "tiny-1"]), ("deny_list", ["a/b"]), ("allow_list", [])):
            town.changed.clear()
            set_to = permissions.update("proj_1", mode=mode, model_ids=models)  # type: ignore[arg-type]
            assert (set_to.mode, set_to.api_model_ids) == (mode, list(dict.fromkeys(models)))
            assert permissions.retrieve("proj_1").api_model_ids == set_to.api_model_ids
            assert key_id in town.changed
        assert permissions.delete("proj_1").object == "project.model_permissions.deleted"
        with pytest.raises(NotFoundError):
            permissions.delete("proj_1")
    entries = town.rows("audit_events")[-4:]
    assert [row["event"] for row in entries] == ["model_permissions.updated"] * 3 + ["model_permissions.deleted"]
    first, second, _, last = (msgspec.json.decode(row["details"]) for row in entries)
    assert first == {"mode": {"from": None, "to": "allow_list"}, "models": {"from": None, "to": ["tiny-1"]}}
    assert second["mode"] == {"from": "allow_list", "to": "deny_list"}
    assert second["models"] == {"from": ["tiny-1"], "to": ["a/b"]}
    assert last == {"mode": "allow_list", "models": []}


def test_what_cannot_be_permissions_is_refused_by_its_field(town: Town) -> None:
    for body, param in (
        ({"mode": "all", "model_ids": []}, "mode"),
        ({"mode": "allow_list", "model_ids": [""]}, "model_ids"),
        ({"mode": "allow_list", "model_ids": [f"m{n}" for n in range(101)]}, "model_ids"),
        ({"mode": "allow_list", "model_ids": "tiny-1"}, "model_ids"),
    ):
        assert refusal(town.ask("POST", PATH, body=body)) == (400, param, Code.PARAMETER_INVALID)
    assert refusal(town.ask("POST", PATH, body={"mode": "allow_list"})) == (400, "model_ids", Code.PARAMETER_MISSING)
