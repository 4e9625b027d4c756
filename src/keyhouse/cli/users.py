"""`keyhouse users`: list, show, update, delete."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import UserName
from keyhouse.cli.talk import AsJson, moment, show_list, show_one

users_app: Final = App(name="users", help="The organization's users.")


@users_app.command(name="list")
def list_users(*, json: AsJson = False) -> None:
    """List the users.

    For example:

        keyhouse users list

        keyhouse users list --json
    """
    show_list(
        Client().every("/users"),
        ("ID", "NAME", "E-MAIL", "ROLE", "ADDED"),
        lambda each: (each["id"], each["name"], each["email"], each["role"], moment(each["added_at"])),
        as_json=json,
    )


@users_app.command
def show(user: UserName, /, *, json: AsJson = False) -> None:
    """Show a user. Which roles they hold is said by `keyhouse roles list --user`.

    For example:

        keyhouse users show ada@example.com
    """
    client = Client()
    _show(client.get(f"/users/{part(lookup.user(client, user))}"), as_json=json)


@users_app.command
def update(
    user: UserName,
    /,
    *,
    role: Annotated[str, Parameter(help="What they are in the organization: owner, reader or member.")],
    json: AsJson = False,
) -> None:
    """Give a user another role in the organization, at once.

    For example:

        keyhouse users update ada@example.com --role reader
    """
    client = Client()
    _show(client.post(f"/users/{part(lookup.user(client, user))}", {"role": role}), as_json=json)


@users_app.command
def delete(user: UserName, /, *, json: AsJson = False) -> None:
    """Take a user out of the organization: their sessions and keys end at once.

    For example:

        keyhouse users delete ada@example.com
    """
    client = Client()
    gone = client.delete(f"/users/{part(lookup.user(client, user))}")
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


def _show(found: Json, *, as_json: bool) -> None:
    fields = {name: found[name] for name in ("id", "name", "email", "role")}
    show_one(found, fields | {"added": moment(found["added_at"])}, as_json=as_json)
