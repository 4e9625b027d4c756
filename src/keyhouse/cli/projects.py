"""`keyhouse projects`: list, create, show, update, archive; its users and groups are in `project_people`."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.project_people import project_groups_app, project_users_app
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, show_fields, show_json, show_table

projects_app: Final = App(name="projects", help="The organization's projects.")
projects_app.command(project_users_app)
projects_app.command(project_groups_app)

Named = Annotated[str, Parameter(help="The project, by its id or its name.")]


@projects_app.command(name="list")
def list_projects(
    *,
    archived: Annotated[bool, Parameter(show_default=False, help="Show archived projects too.")] = False,
    json: AsJson = False,
) -> None:
    """List the projects.

    For example:

        keyhouse projects list

        keyhouse projects list --archived --json
    """
    found = Client().every("/projects", {"include_archived": "true"} if archived else None)
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [(each["id"], _name(each), each["status"], moment(each["created_at"])) for each in found]
    show_table(("ID", "NAME", "STATUS", "CREATED"), rows)


@projects_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    external_key_id: Annotated[str | None, Parameter(help="Your own name for it, such as a cost centre.")] = None,
    json: AsJson = False,
) -> None:
    """Create a project.

    For example:

        keyhouse projects create --name Research

        keyhouse projects create --name Research --external-key-id cost-center-7 --json
    """
    _show(Client().post("/projects", {"name": name, "external_key_id": external_key_id}), as_json=json)


@projects_app.command
def show(project: Named, /, *, json: AsJson = False) -> None:
    """Show a project.

    For example:

        keyhouse projects show proj_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    _show(client.get(f"/projects/{part(lookup.project(client, project))}"), as_json=json)


@projects_app.command
def update(
    project: Named,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Its new name.")] = None,
    external_key_id: Annotated[str | None, Parameter(help="Your own name for it.")] = None,
    json: AsJson = False,
) -> None:
    """Rename a project.

    For example:

        keyhouse projects update proj_4fQ2mZ7nT1xK9cV3bR8s --name Studies
    """
    wanted = {"name": name, "external_key_id": external_key_id}
    body = {field: value for field, value in wanted.items() if value is not None}
    if not body:
        raise Failure("nothing to change: give --name or --external-key-id.", Exit.USAGE)
    client = Client()
    _show(client.post(f"/projects/{part(lookup.project(client, project))}", body), as_json=json)


@projects_app.command
def archive(project: Named, /, *, json: AsJson = False) -> None:
    """Archive a project for good: its keys are refused at once, its history stays.

    For example:

        keyhouse projects archive proj_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    _show(client.post(f"/projects/{part(lookup.project(client, project))}/archive"), as_json=json)


def _show(found: Json, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    fields = {
        "id": found["id"],
        "name": _name(found),
        "status": found["status"],
        "created": moment(found["created_at"]),
        "archived": moment(found["archived_at"]),
        "external key id": found["external_key_id"],
    }
    show_fields(fields)


def _name(found: Json) -> str:
    return f"{found['name']} (default)" if found["is_default"] else str(found["name"])
