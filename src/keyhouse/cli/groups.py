"""`keyhouse groups`: list, create, show, update, delete, and who is in them."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import GroupName, UserName
from keyhouse.cli.talk import AsJson, moment, show_list, show_one

groups_app: Final = App(name="groups", help="Users who hold roles together.")

NewName = Annotated[str, Parameter(help="What it is called.")]


@groups_app.command(name="list")
def list_groups(*, json: AsJson = False) -> None:
    """List the groups.

    For example:

        keyhouse groups list
    """
    show_list(
        Client().every("/groups"),
        ("ID", "NAME", "CREATED"),
        lambda each: (each["id"], each["name"], moment(each["created_at"])),
        as_json=json,
    )


@groups_app.command
def create(*, name: NewName, json: AsJson = False) -> None:
    """Create a group, with nobody in it.

    For example:

        keyhouse groups create --name Researchers
    """
    _show(Client().post("/groups", {"name": name}), as_json=json)


@groups_app.command
def show(group: GroupName, /, *, json: AsJson = False) -> None:
    """Show a group. Which roles it holds is said by `keyhouse roles list --group`.

    For example:

        keyhouse groups show Researchers
    """
    client = Client()
    _show(client.get(f"/groups/{part(lookup.group(client, group))}"), as_json=json)


@groups_app.command
def update(group: GroupName, /, *, name: NewName, json: AsJson = False) -> None:
    """Rename a group.

    For example:

        keyhouse groups update Researchers --name Scientists
    """
    client = Client()
    _show(client.post(f"/groups/{part(lookup.group(client, group))}", {"name": name}), as_json=json)


@groups_app.command
def delete(group: GroupName, /, *, json: AsJson = False) -> None:
    """Take a group away, and its roles from all who are in it, at once.

    For example:

        keyhouse groups delete Researchers
    """
    client = Client()
    gone = client.delete(f"/groups/{part(lookup.group(client, group))}")
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


@groups_app.command
def users(group: GroupName, /, *, json: AsJson = False) -> None:
    """List who is in a group.

    For example:

        keyhouse groups users Researchers
    """
    client = Client()
    show_list(
        client.every(f"/groups/{part(lookup.group(client, group))}/users"),
        ("ID", "NAME", "E-MAIL"),
        lambda each: (each["id"], each["name"], each["email"]),
        as_json=json,
    )


@groups_app.command
def add(group: GroupName, user: UserName, /, *, json: AsJson = False) -> None:
    """Put a user into a group, whose roles they have then.

    For example:

        keyhouse groups add Researchers ada@example.com
    """
    client = Client()
    path = f"/groups/{part(lookup.group(client, group))}/users"
    put = client.post(path, {"user_id": lookup.user(client, user)})
    show_one(put, {"group": put["group_id"], "user": put["user_id"]}, as_json=json)


@groups_app.command
def remove(group: GroupName, user: UserName, /, *, json: AsJson = False) -> None:
    """Take a user out of a group, and its roles from them, at once.

    For example:

        keyhouse groups remove Researchers ada@example.com
    """
    client = Client()
    group_id, user_id = lookup.group(client, group), lookup.user(client, user)
    gone = client.delete(f"/groups/{part(group_id)}/users/{part(user_id)}")
    show_one(gone, {"group": group_id, "user": user_id, "status": "removed"}, as_json=json)


def _show(found: Json, *, as_json: bool) -> None:
    fields = {"id": found["id"], "name": found["name"], "created": moment(found["created_at"])}
    show_one(found, fields, as_json=as_json)
