"""`keyhouse models permissions`: the models that a project may use; show, set, delete."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, show_one

permissions_app: Final = App(name="permissions", help="The models that a project may use.")


@permissions_app.command
def show(*, project: ProjectOption = None, json: AsJson = False) -> None:
    """Show which models a project may use; ends with 3 if it may use all.

    For example:

        keyhouse models permissions show --project Research
    """
    client = Client()
    _show(client.get(_path(client, project)), as_json=json)


@permissions_app.command(name="set")
def set_permissions(
    *,
    allow: Annotated[
        tuple[str, ...], Parameter(show_default=False, help="A model it may use, and no other; repeat.")
    ] = (),
    deny: Annotated[tuple[str, ...], Parameter(show_default=False, help="A model it may not use; repeat.")] = (),
    project: ProjectOption = None,
    json: AsJson = False,
) -> None:
    """Say which models a project may use, on every gateway at once.

    For example:

        keyhouse models permissions set --project Research --allow gpt-5-mini --allow tiny-1

        keyhouse models permissions set --deny gpt-5
    """
    if bool(allow) == bool(deny):
        raise Failure("name models by either --allow or --deny.", Exit.USAGE)
    client = Client()
    body = {"mode": "allow_list" if allow else "deny_list", "model_ids": list(allow or deny)}
    _show(client.post(_path(client, project), body), as_json=json)


@permissions_app.command
def delete(*, project: ProjectOption = None, json: AsJson = False) -> None:
    """Let a project use every model.

    For example:

        keyhouse models permissions delete --project Research
    """
    client = Client()
    gone = client.delete(_path(client, project))
    show_one(gone, {"status": "deleted"}, as_json=json)


def _path(client: Client, project: str | None) -> str:
    return f"/projects/{part(lookup.project(client, project))}/model_permissions"


def _show(found: Json, *, as_json: bool) -> None:
    show_one(found, {"mode": found["mode"], "models": found["model_ids"]}, as_json=as_json)
