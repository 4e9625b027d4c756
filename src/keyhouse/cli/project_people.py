"""`keyhouse projects users` and `keyhouse projects groups`: list, add, update, remove."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import GroupName, UserName
from keyhouse.cli.talk import AsJson, moment, show_list, show_one

project_users_app: Final = App(name="users", help="Who is in a project, and as what.")
project_groups_app: Final = App(name="groups", help="The groups that hold a role in a project.")

Named = Annotated[str, Parameter(help="The project, by its id or its name.")]
RoleOption = Annotated[str, Parameter(help="What they are in it: owner, member or viewer.")]
GroupRoleOption = Annotated[str, Parameter(help="What it holds there: owner, member, viewer, or one of its own roles.")]


@project_users_app.command(name="list")
def list_users(project: Named, /, *, json: AsJson = False) -> None:
    """List a project's users.

    For example:

        keyhouse projects users list Research
    """
    client = Client()
    show_list(
        client.every(f"{_path(client, project)}/users"),
        ("ID", "NAME", "E-MAIL", "ROLE", "ADDED"),
        lambda each: (each["id"], each["name"], each["email"], each["role"], moment(each["added_at"])),
        as_json=json,
    )


@project_users_app.command(name="add")
def add_user(project: Named, user: UserName, /, *, role: RoleOption = "member", json: AsJson = False) -> None:
    """Add a user of the organization to a project.

    For example:

        keyhouse projects users add Research ada@example.com --role viewer
    """
    client = Client()
    body = {"user_id": lookup.user(client, user), "role": role}
    _show_user(client.post(f"{_path(client, project)}/users", body), as_json=json)


@project_users_app.command(name="update")
def update_user(project: Named, user: UserName, /, *, role: RoleOption, json: AsJson = False) -> None:
    """Give a project's user another role in it, at once.

    For example:

        keyhouse projects users update Research ada@example.com --role owner
    """
    client = Client()
    path = f"{_path(client, project)}/users/{part(lookup.user(client, user))}"
    _show_user(client.post(path, {"role": role}), as_json=json)


@project_users_app.command(name="remove")
def remove_user(project: Named, user: UserName, /, *, json: AsJson = False) -> None:
    """Take a user out of a project: their keys there stop working at once.

    For example:

        keyhouse projects users remove Research ada@example.com
    """
    client = Client()
    gone = client.delete(f"{_path(client, project)}/users/{part(lookup.user(client, user))}")
    show_one(gone, {"id": gone["id"], "status": "removed"}, as_json=json)


@project_groups_app.command(name="list")
def list_groups(project: Named, /, *, json: AsJson = False) -> None:
    """List the groups that hold a role in a project.

    For example:

        keyhouse projects groups list Research
    """
    client = Client()
    show_list(
        client.every(f"{_path(client, project)}/groups"),
        ("ID", "NAME", "ADDED"),
        lambda each: (each["group_id"], each["group_name"], moment(each["created_at"])),
        as_json=json,
    )


@project_groups_app.command(name="add")
def add_group(project: Named, group: GroupName, /, *, role: GroupRoleOption = "member", json: AsJson = False) -> None:
    """Let a group hold a role in a project.

    For example:

        keyhouse projects groups add Research Researchers --role viewer
    """
    client = Client()
    project_id = lookup.project(client, project)
    body = {"group_id": lookup.group(client, group), "role": lookup.role(client, role, project_id)}
    put = client.post(f"/projects/{part(project_id)}/groups", body)
    fields = {"id": put["group_id"], "name": put["group_name"], "project": put["project_id"]}
    show_one(put, fields, as_json=json)


@project_groups_app.command(name="remove")
def remove_group(project: Named, group: GroupName, /, *, json: AsJson = False) -> None:
    """Take every role in a project from a group.

    For example:

        keyhouse projects groups remove Research Researchers
    """
    client = Client()
    group_id = lookup.group(client, group)
    gone = client.delete(f"{_path(client, project)}/groups/{part(group_id)}")
    show_one(gone, {"id": group_id, "status": "removed"}, as_json=json)


def _path(client: Client, named: str) -> str:
    return f"/projects/{part(lookup.project(client, named))}"


def _show_user(found: Json, *, as_json: bool) -> None:
    show_one(found, {name: found[name] for name in ("id", "name", "email", "role")}, as_json=as_json)
