"""`keyhouse invites`: list, create, show, delete."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, Json, part
from keyhouse.cli.talk import AsJson, moment, say, show_list, show_one

invites_app: Final = App(name="invites", help="Links by which people come in.")

InviteId = Annotated[str, Parameter(help="The invite, by its id.")]


@invites_app.command(name="list")
def list_invites(*, json: AsJson = False) -> None:
    """List the invites, newest first.

    For example:

        keyhouse invites list

        keyhouse invites list --json
    """
    show_list(
        Client().every("/invites"),
        ("ID", "E-MAIL", "ROLE", "STATUS", "EXPIRES"),
        lambda each: (each["id"], each["email"], each["role"], each["status"], moment(each["expires_at"])),
        as_json=json,
    )


@invites_app.command
def create(
    email: Annotated[str, Parameter(help="Who is invited, by their e-mail address.")],
    /,
    *,
    role: Annotated[str, Parameter(help="What they are in the organization: owner, reader or member.")] = "member",
    project: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="A project they come into, such as Research or Research=owner; repeat."),
    ] = (),
    json: AsJson = False,
) -> None:
    """Invite someone, and show the link to send them, this once. It works once, for seven days.

    For example:

        keyhouse invites create bob@example.com --project Research

        keyhouse invites create eve@example.com --role reader --json
    """
    client = Client()
    projects = [_project(client, each) for each in project]
    made = client.post("/invites", {"email": email, "role": role, "projects": projects})
    show_one(made, _fields(made) | {"link": made["url"]}, as_json=json)
    if not json:
        say("this is the only time the link is shown: send it to them now.")


@invites_app.command
def show(invite: InviteId, /, *, json: AsJson = False) -> None:
    """Show an invite.

    For example:

        keyhouse invites show invite_4fQ2mZ7nT1xK9cV3bR8s
    """
    found = Client().get(f"/invites/{part(invite)}")
    show_one(found, _fields(found), as_json=json)


@invites_app.command
def delete(invite: InviteId, /, *, json: AsJson = False) -> None:
    """Take an invite back: its link works no more.

    For example:

        keyhouse invites delete invite_4fQ2mZ7nT1xK9cV3bR8s
    """
    gone = Client().delete(f"/invites/{part(invite)}")
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


def _project(client: Client, text: str) -> Json:
    named, _, role = text.partition("=")
    return {"id": lookup.project(client, named), "role": role or "member"}


def _fields(found: Json) -> dict[str, object]:
    fields: dict[str, object] = {name: found[name] for name in ("id", "email", "role", "status")}
    fields["projects"] = [f"{each['id']}={each['role']}" for each in found["projects"]]
    return fields | {"expires": moment(found["expires_at"]), "accepted": moment(found["accepted_at"])}
