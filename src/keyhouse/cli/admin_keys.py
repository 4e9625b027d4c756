"""`keyhouse admin-keys`: list, create, show, revoke. The first one is made without a server and an admin key."""

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import Key
from keyhouse.cli.place import Data, Database, database_url, master_key_path
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, say, show_list, show_one

admin_keys_app: Final = App(name="admin-keys", help="Keys that administer, and never call a model.")


@admin_keys_app.command(name="list")
def list_admin_keys(*, json: AsJson = False) -> None:
    """List the admin keys that were not revoked.

    For example:

        keyhouse admin-keys list
    """
    show_list(
        Client().every("/admin_api_keys"),
        ("ID", "NAME", "KEY", "OWNER", "CREATED", "EXPIRES", "LAST USED"),
        lambda each: tuple(_fields(each).values()),
        as_json=json,
    )


@admin_keys_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    expires: Annotated[str | None, Parameter(help="When it ends: 90d, at most a year.")] = None,
    email: Annotated[str | None, Parameter(help="Whose it is, where it is made in the database itself.")] = None,
    data: Data = None,
    database: Database = None,
    master_key: Annotated[Path | None, Parameter(help="The master key's file; default DATA/master.key.")] = None,
    json: AsJson = False,
) -> None:
    """Create an admin key that can do what its owner can, and show its secret, this once.

    The server makes it, for the owner of the admin key that asks. Where there is none, --email makes it in the database
    itself, for someone who may make admin keys. On SQLite the server has to be stopped for that, on PostgreSQL not.

    For example:

        keyhouse admin-keys create --name terraform --expires 90d

        keyhouse admin-keys create --name terraform --data data --email ada@example.com
    """
    seconds = None if expires is None else forms.duration(expires, "--expires")
    if email is None and data is None and database is None and master_key is None:
        body: Json = {"name": name}
        if seconds is not None:
            body["expires_in_seconds"] = seconds
        made = Client().post("/admin_api_keys", body)
    elif email is None:
        raise Failure("say whose it is: add --email with the address that an owner signs in with.", Exit.USAGE)
    else:
        from keyhouse.cli.admin_key_here import make_admin_key  # It brings most of Keyhouse along.

        made = make_admin_key(database_url(data, database), master_key_path(data, master_key), email, name, seconds)
    show_one(made, _fields(made) | {"secret": made["value"]}, as_json=json)
    if not json:
        say("this is the only time the secret is shown: copy it now.")


@admin_keys_app.command
def show(key: Key, /, *, json: AsJson = False) -> None:
    """Show an admin key.

    For example:

        keyhouse admin-keys show key_7Qm2x9FaLk
    """
    found = Client().get(f"/admin_api_keys/{part(key)}")
    show_one(found, _fields(found), as_json=json)


@admin_keys_app.command
def revoke(key: Key, /, *, json: AsJson = False) -> None:
    """Revoke an admin key for good, at once; it may be the one that asks.

    For example:

        keyhouse admin-keys revoke key_7Qm2x9FaLk
    """
    gone = Client().delete(f"/admin_api_keys/{part(key)}")
    show_one(gone, {"id": gone["id"], "status": "revoked"}, as_json=json)


def _fields(found: Json) -> dict[str, object]:
    fields: dict[str, object] = {"id": found["id"], "name": found["name"], "key": found["redacted_value"]}
    fields["owner"] = found["owner"]["name"]
    return fields | {
        word: moment(found[field])
        for word, field in (("created", "created_at"), ("expires", "expires_at"), ("last used", "last_used_at"))
    }
