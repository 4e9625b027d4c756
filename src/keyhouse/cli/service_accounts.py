"""`keyhouse service-accounts`: create, list, show, update, add-key, delete."""

from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse.cli import lookup
from keyhouse.cli.client import Client, IdempotencyKey, Json, part
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, moment, say, show_fields, show_json, show_list, show_one

service_accounts_app: Final = App(name="service-accounts", help="Machines that own keys of a project.")

Account = Annotated[str, Parameter(help="The service account, by its id (svc_acct_...).")]


@service_accounts_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    project: ProjectOption = None,
    without_key: Annotated[bool, Parameter(show_default=False, help="Make no key with it.")] = False,
    idempotency_key: IdempotencyKey = None,
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
    path = f"/projects/{part(lookup.project(client, project))}/service_accounts"
    made = client.post(path, body) if without_key else client.once(path, body, idempotency_key)
    if json:
        show_json(made)
        return
    fields, key = _fields(made), made["api_key"]
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
    headers = ("ID", "NAME", "ROLE", "PROJECT", "CREATED")
    show_list(found, headers, lambda each: tuple(_fields(each).values()), as_json=json)


@service_accounts_app.command
def show(service_account: Account, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """Show a service account.

    For example:

        keyhouse service-accounts show svc_acct_4fQ2mZ7nT1xK9cV3bR8s
    """
    client = Client()
    found = client.get(lookup.service_account_path(client, service_account, project))
    show_one(found, _fields(found), as_json=json)


@service_accounts_app.command
def update(
    service_account: Account,
    /,
    *,
    name: Annotated[str, Parameter(help="Its new name.")],
    project: ProjectOption = None,
    json: AsJson = False,
) -> None:
    """Rename a service account.

    For example:

        keyhouse service-accounts update svc_acct_4fQ2mZ7nT1xK9cV3bR8s --name "night bot"
    """
    client = Client()
    found = client.post(lookup.service_account_path(client, service_account, project), {"name": name})
    show_one(found, _fields(found), as_json=json)


@service_accounts_app.command
def add_key(
    service_account: Account,
    /,
    *,
    name: Annotated[str | None, Parameter(help="What the key is called.")] = None,
    scope: Annotated[
        tuple[str, ...],
        Parameter(show_default=False, help="What it may do, such as api.model.read; repeat. Without, everything."),
    ] = (),
    project: ProjectOption = None,
    idempotency_key: IdempotencyKey = None,
    json: AsJson = False,
) -> None:
    """Make one more key of a service account, and show its secret, this once.

    For example:

        keyhouse service-accounts add-key svc_acct_4fQ2mZ7nT1xK9cV3bR8s --name night
    """
    client = Client()
    path = f"{lookup.service_account_path(client, service_account, project)}/api_keys"
    made = client.once(path, {"name": name, "scopes": list(scope) or None}, idempotency_key)
    fields = {"id": made["id"], "name": made["name"], "created": moment(made["created_at"]), "secret": made["value"]}
    show_one(made, fields, as_json=json)
    if not json:
        say("this is the only time the secret is shown: copy it now.")


@service_accounts_app.command
def delete(
    service_account: Account,
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
    show_one(gone, {"id": gone["id"], "status": "deleted"}, as_json=json)


def _fields(found: Json) -> dict[str, object]:
    fields: dict[str, object] = {"id": found["id"], "name": found["name"], "role": found["role"]}
    return fields | {"project": found["project_id"], "created": moment(found["created_at"])}
