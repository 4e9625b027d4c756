"""`keyhouse roles`: list, create, show, update, delete, and who holds which: assign, unassign."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import RoleName
from keyhouse.cli.talk import AsJson, Exit, Failure, show_list, show_one

roles_app: Final = App(name="roles", help="Roles of the organization and of projects, and who holds them.")

In = Annotated[
    str | None, Parameter(name="--project", help="A project's role, by the project's id or name; else everywhere.")
]
ByUser = Annotated[str | None, Parameter(name="--user", help="The user, by their id or their e-mail address.")]
ByGroup = Annotated[str | None, Parameter(name="--group", help="The group, by its id or its name.")]
PermissionOption = Annotated[
    tuple[str, ...],
    Parameter(name="--permission", show_default=False, help="What it gives; repeat. docs/permissions.md lists them."),
]
Description = Annotated[str | None, Parameter(help="What it is for.")]


@roles_app.command(name="list")
def list_roles(*, user: ByUser = None, group: ByGroup = None, project: In = None, json: AsJson = False) -> None:
    """List the roles there are, or those that a user or a group holds.

    For example:

        keyhouse roles list

        keyhouse roles list --user ada@example.com --project Research
    """
    client = Client()
    project_id = _project(client, project)
    if user is None and group is None:
        found = client.every(f"{lookup.roles_root(project_id)}/roles")
        headers: tuple[str, ...] = ("ID", "NAME", "MADE", "PERMISSIONS")
    else:
        found = client.every(_held(client, user, group, project_id))
        headers = ("ID", "NAME", "MADE", "PERMISSIONS", "BY")
    show_list(found, headers, lambda each: (*_row(each), _sources(each))[: len(headers)], as_json=json)


@roles_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    permission: PermissionOption = (),
    description: Description = None,
    project: In = None,
    json: AsJson = False,
) -> None:
    """Create a role of a list of permissions, none of which you lack.

    For example:

        keyhouse roles create --name clerk --permission api.organization.invites.write

        keyhouse roles create --name watcher --project Research --permission api.organization.projects.usage.read
    """
    client = Client()
    body = {"role_name": name, "permissions": list(permission), "description": description}
    _show(client.post(f"{lookup.roles_root(_project(client, project))}/roles", body), as_json=json)


@roles_app.command
def show(role: RoleName, /, *, project: In = None, json: AsJson = False) -> None:
    """Show a role.

    For example:

        keyhouse roles show clerk
    """
    client = Client()
    _show(client.get(_path(client, role, _project(client, project))), as_json=json)


@roles_app.command
def update(
    role: RoleName,
    /,
    *,
    name: Annotated[str | None, Parameter(help="Its new name.")] = None,
    permission: PermissionOption = (),
    description: Description = None,
    project: In = None,
    json: AsJson = False,
) -> None:
    """Change a role for all who hold it, at once. Permissions that are named replace all others.

    For example:

        keyhouse roles update clerk --permission api.organization.invites.read
    """
    wanted = {"role_name": name, "permissions": list(permission) or None, "description": description}
    body: Json = {field: value for field, value in wanted.items() if value is not None}
    if not body:
        raise Failure("nothing to change: give --name, --permission or --description.", Exit.USAGE)
    client = Client()
    _show(client.post(_path(client, role, _project(client, project)), body), as_json=json)


@roles_app.command
def delete(role: RoleName, /, *, project: In = None, json: AsJson = False) -> None:
    """Take a role away, from all who hold it, at once.

    For example:

        keyhouse roles delete clerk
    """
    client = Client()
    gone = client.delete(_path(client, role, _project(client, project)))
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


@roles_app.command
def assign(
    role: RoleName, /, *, user: ByUser = None, group: ByGroup = None, project: In = None, json: AsJson = False
) -> None:
    """Give a user or a group a role, at once.

    For example:

        keyhouse roles assign clerk --user ada@example.com

        keyhouse roles assign viewer --group Researchers --project Research
    """
    client = Client()
    project_id = _project(client, project)
    path = _held(client, user, group, project_id)
    given = client.post(path, {"role_id": lookup.role(client, role, project_id)})
    holder = given.get("user") or given["group"]
    show_one(given, {"role": given["role"]["name"], "holder": holder["id"]}, as_json=json)


@roles_app.command
def unassign(
    role: RoleName, /, *, user: ByUser = None, group: ByGroup = None, project: In = None, json: AsJson = False
) -> None:
    """Take a role from a user or a group to whom it is assigned, at once.

    For example:

        keyhouse roles unassign clerk --user ada@example.com
    """
    client = Client()
    project_id = _project(client, project)
    role_id = lookup.role(client, role, project_id)
    gone = client.delete(f"{_held(client, user, group, project_id)}/{part(role_id)}")
    show_one(gone, {"role": role_id, "status": "unassigned"}, as_json=json)


def _project(client: Client, named: str | None) -> str | None:
    return None if named is None else lookup.project(client, named)


def _path(client: Client, named: str, project_id: str | None) -> str:
    return f"{lookup.roles_root(project_id)}/roles/{part(lookup.role(client, named, project_id))}"


def _held(client: Client, user: str | None, group: str | None, project_id: str | None) -> str:
    """Where the roles are that a user or a group holds."""
    match user, group:
        case str(), None:
            holder = f"users/{part(lookup.user(client, user))}"
        case None, str():
            holder = f"groups/{part(lookup.group(client, group))}"
        case _:
            raise Failure("name who holds it by either --user or --group.", Exit.USAGE)
    return f"{lookup.roles_root(project_id)}/{holder}/roles"


def _row(found: Json) -> tuple[object, ...]:
    made = "always there" if found["predefined_role"] else "own"
    permissions = found["permissions"]
    return found["id"], found["name"], made, permissions if len(permissions) == 1 else f"{len(permissions)}"


def _sources(found: Json) -> object:
    return [each["principal_id"] for each in found.get("assignment_sources") or []]


def _show(found: Json, *, as_json: bool) -> None:
    fields = {name: found[name] for name in ("id", "name", "description")}
    where = "a project" if found["resource_type"] == "api.project" else "the organization"
    show_one(found, fields | {"held in": where, "permissions": found["permissions"]}, as_json=as_json)
