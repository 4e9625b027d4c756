"""`keyhouse admin-keys`: list, create, show, revoke."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.lookup import Key
from keyhouse.cli.talk import AsJson, moment, say, show_list, show_one

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
    json: AsJson = False,
) -> None:
    """Create an admin key that can do what you can, and show its secret, this once.

    For example:

        keyhouse admin-keys create --name terraform --expires 90d
    """
    body: Json = {"name": name}
    if expires is not None:
        body["expires_in_seconds"] = forms.duration(expires, "--expires")
    made = Client().post("/admin_api_keys", body)
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
