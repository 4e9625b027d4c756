"""`keyhouse service-accounts`: create, list, delete."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, part
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, moment, say, show_fields, show_json, show_table

service_accounts_app: Final = App(name="service-accounts", help="Machines that own keys of a project.")


@service_accounts_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    project: ProjectOption = None,
    without_key: Annotated[bool, Parameter(show_default=False, help="Make no key with it.")] = False,
    json: AsJson = False,
) -> None:
    """Create a service account and its first key, and show that key's secret, this once.

    Without --project it is made in the default project.

    For example:

        keyhouse service-accounts create --name "deploy bot"

        keyhouse service-accounts create --name "deploy bot" --project Research --json
    """
    client = Client()
    body = {"name": name, "create_service_account_only": without_key}
    made = client.post(f"/projects/{part(lookup.project(client, project))}/service_accounts", body)
    if json:
        show_json(made)
        return
    fields: dict[str, object] = {"id": made["id"], "name": made["name"], "role": made["role"]}
    fields |= {"project": made["project_id"], "created": moment(made["created_at"])}
    key = made["api_key"]
    if key is None:
        show_fields(fields)
        return
    show_fields(fields | {"key": key["id"], "secret": key["value"]})
    say("this is the only time the secret is shown: copy it now.")


@service_accounts_app.command(name="list")
def list_service_accounts(*, project: ProjectOption = None, json: AsJson = False) -> None:
    """List the service accounts of one project, or of all that are active.

    For example:

        keyhouse service-accounts list

        keyhouse service-accounts list --project Research --json
    """
    client = Client()
    ids = [lookup.project(client, project)] if project else [each["id"] for each in client.every("/projects")]
    found = [account for each in ids for account in client.every(f"/projects/{part(each)}/service_accounts")]
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [(each["id"], each["name"], each["role"], each["project_id"], moment(each["created_at"])) for each in found]
    show_table(("ID", "NAME", "ROLE", "PROJECT", "CREATED"), rows)


@service_accounts_app.command
def delete(
    service_account: Annotated[str, Parameter(help="The service account, by its id (svc_acct_...).")],
    /,
    *,
    project: ProjectOption = None,
    json: AsJson = False,
) -> None:
    """Delete a service account for good: all of its keys are refused at once.

    For example:

        keyhouse service-accounts delete svc_acct_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    gone = client.delete(lookup.service_account_path(client, service_account, project))
    if json:
        show_json(gone)
        return
    show_fields({"id": gone["id"], "status": "deleted"})
