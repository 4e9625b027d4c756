"""`keyhouse keys`: create, list, show, update, rotate, end and extend the old secret, disable, enable, revoke."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from keyhouse.cli import forms, key_uses, lookup
from keyhouse.cli.client import Client, IdempotencyKey, Json, part
from keyhouse.cli.lookup import Key, ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, say, show_fields, show_json, show_table

keys_app: Final = App(name="keys", help="API keys: what applications call models with.")
keys_app.command(key_uses.callers)
keys_app.command(key_uses.children)
keys_app.command(key_uses.verify)

Models = Annotated[
    tuple[str, ...], Parameter(name="--model", show_default=False, help="A model it may use; repeat it for more.")
]
Networks = Annotated[
    tuple[str, ...], Parameter(name="--allow", show_default=False, help="An address or network it works from (CIDR).")
]
Endpoints = Annotated[
    tuple[str, ...],
    Parameter(name="--endpoint", show_default=False, help="An endpoint it is for, such as /v1/embeddings."),
]
PERMISSIONS: Final = "all, read_only, chat_only, embeddings_only, or grants such as chat_completions=write,models=read."


@keys_app.command
def create(
    *,
    name: Annotated[str, Parameter(help="What it is called.")],
    project: ProjectOption = None,
    permissions: Annotated[str, Parameter(help=PERMISSIONS)] = "all",
    models: Models = (),
    endpoints: Endpoints = (),
    networks: Networks = (),
    expires: Annotated[str | None, Parameter(help="When it ends: 90d, or 2027-01-31.")] = None,
    budget: Annotated[tuple[str, ...], Parameter(show_default=False, help="Dollars, such as 25/month.")] = (),
    requests_per_minute: Annotated[str | None, Parameter(help="How many calls a minute.")] = None,
    tokens_per_minute: Annotated[str | None, Parameter(help="How many tokens a minute.")] = None,
    idempotency_key: IdempotencyKey = None,
    json: AsJson = False,
) -> None:
    """Create a key and show its secret, this once. Without --project it is made in the default project.

    For example:

        keyhouse keys create --name "billing bot" --permissions chat_only --budget 25/month

        keyhouse keys create --project Research --name app --model tiny-1 --allow 10.0.0.0/8 --expires 90d --json
    """
    body: dict[str, Any] = {"name": name, "permissions": forms.permissions(permissions)}
    if models:
        body["models"] = list(models)
    if endpoints:
        body["endpoints"] = list(endpoints)
    if networks:
        body["ip_allowlist"] = list(networks)
    if expires is not None:
        body["expires_at"] = forms.instant(expires, "--expires", datetime.now(UTC))
    limits = [forms.budget(each) for each in budget]
    for unit, amount in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
        if amount is not None:
            limits.append({"unit": unit, "window": "minute", "amount": amount})
    if limits:
        body["limits"] = limits
    client = Client()
    path = f"/projects/{part(lookup.project(client, project))}/api_keys"
    _show_secret(client.once(path, body, idempotency_key), as_json=json)


@keys_app.command(name="list")
def list_keys(
    *,
    project: ProjectOption = None,
    revoked: Annotated[bool, Parameter(show_default=False, help="Show revoked keys too.")] = False,
    json: AsJson = False,
) -> None:
    """List the keys of one project, or of all that are active.

    For example:

        keyhouse keys list

        keyhouse keys list --project Research --revoked --json
    """
    client = Client()
    ids = [lookup.project(client, project)] if project else [each["id"] for each in client.every("/projects")]
    query = {"include_revoked": "true"} if revoked else None
    found = [key for each in ids for key in client.every(f"/projects/{part(each)}/api_keys", query)]
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (
            each["id"],
            each["name"],
            each["status"],
            each["redacted_value"],
            _owner(each),
            each["project_id"],
            moment(each["created_at"]),
            moment(each["last_used_at"]),
        )
        for each in found
    ]
    show_table(("ID", "NAME", "STATUS", "SECRET", "OWNER", "PROJECT", "CREATED", "LAST USED"), rows)


@keys_app.command
def show(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """Show a key with its limits and secrets, also a revoked one. No secret's value is shown.

    For example:

        keyhouse keys show key_7Qm2x9FaLk
    """
    _show(lookup.key(Client(), key, project), as_json=json)


@keys_app.command
def update(
    key: Key,
    /,
    *,
    project: ProjectOption = None,
    name: Annotated[str | None, Parameter(help="Its new name.")] = None,
    permissions: Annotated[str | None, Parameter(help=PERMISSIONS)] = None,
    models: Models = (),
    endpoints: Endpoints = (),
    any_endpoint: Annotated[bool, Parameter(show_default=False, help="Let it be used for every endpoint.")] = False,
    any_model: Annotated[bool, Parameter(show_default=False, help="Let it use every model.")] = False,
    networks: Networks = (),
    any_address: Annotated[bool, Parameter(show_default=False, help="Let it work from everywhere.")] = False,
    expires: Annotated[str | None, Parameter(help="When it ends: 90d, 2027-01-31, or never.")] = None,
    json: AsJson = False,
) -> None:
    """Change what a key is called and may do; what is not named stays.

    For example:

        keyhouse keys update key_7Qm2x9FaLk --name "new name" --permissions chat_only

        keyhouse keys update key_7Qm2x9FaLk --any-model --expires never
    """
    if (models and any_model) or (networks and any_address) or (endpoints and any_endpoint):
        raise Failure("--model, --endpoint and --allow exclude --any-model, --any-endpoint, --any-address.", Exit.USAGE)
    body: dict[str, Any] = {}
    if name is not None:
        body["name"] = name
    if permissions is not None:
        body["permissions"] = forms.permissions(permissions)
    if models or any_model:
        body["models"] = list(models) or None
    if endpoints or any_endpoint:
        body["endpoints"] = list(endpoints) or None
    if networks or any_address:
        body["ip_allowlist"] = list(networks)
    if expires is not None:
        now = datetime.now(UTC)
        body["expires_at"] = None if expires == "never" else forms.instant(expires, "--expires", now)
    if not body:
        raise Failure("nothing to change: give at least one option. See `keyhouse keys update --help`.", Exit.USAGE)
    client = Client()
    _show(client.post(lookup.key_path(client, key, project), body), as_json=json)


@keys_app.command
def rotate(
    key: Key,
    /,
    *,
    project: ProjectOption = None,
    overlap: Annotated[str, Parameter(help="How long the old secret goes on working: 24h, 7d, or 0.")] = "24h",
    idempotency_key: IdempotencyKey = None,
    json: AsJson = False,
) -> None:
    """Give a key a new secret and show it, this once. The old one works until the overlap ends.

    For example:

        keyhouse keys rotate key_7Qm2x9FaLk

        keyhouse keys rotate key_7Qm2x9FaLk --overlap 0 --json
    """
    body = {"overlap_seconds": forms.duration(overlap, "--overlap")}
    client = Client()
    path = f"{lookup.key_path(client, key, project)}/rotate"
    _show_secret(client.once(path, body, idempotency_key), as_json=json)


@keys_app.command
def end_previous(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """End the overlap of a rotation now: only the newest secret works from then on.

    For example:

        keyhouse keys end-previous key_7Qm2x9FaLk
    """
    client = Client()
    _show(client.delete(f"{lookup.key_path(client, key, project)}/previous_secret"), as_json=json)


@keys_app.command
def extend_previous(
    key: Key,
    /,
    *,
    until: Annotated[str, Parameter(help="When the old secret ends: 7d, or 2027-01-31.")],
    project: ProjectOption = None,
    json: AsJson = False,
) -> None:
    """Let the old secret of a rotation work until another moment, at most thirty days from now.

    For example:

        keyhouse keys extend-previous key_7Qm2x9FaLk --until 7d
    """
    client = Client()
    body = {"expires_at": forms.instant(until, "--until", datetime.now(UTC))}
    _show(client.post(f"{lookup.key_path(client, key, project)}/previous_secret", body), as_json=json)


@keys_app.command
def disable(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """Refuse a key until it is enabled again.

    For example:

        keyhouse keys disable key_7Qm2x9FaLk
    """
    client = Client()
    _show(client.post(f"{lookup.key_path(client, key, project)}/disable"), as_json=json)


@keys_app.command
def enable(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """Accept a disabled key again.

    For example:

        keyhouse keys enable key_7Qm2x9FaLk
    """
    client = Client()
    _show(client.post(f"{lookup.key_path(client, key, project)}/enable"), as_json=json)


@keys_app.command
def revoke(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """Refuse a key for good, at once. It does not come back.

    For example:

        keyhouse keys revoke key_7Qm2x9FaLk
    """
    client = Client()
    gone = client.delete(lookup.key_path(client, key, project))
    if json:
        show_json(gone)
        return
    show_fields({"id": gone["id"], "status": "revoked"})


def _show_secret(found: Json, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_fields(_fields(found) | {"secret": found["value"]})
    say("this is the only time the secret is shown: copy it now.")


def _show(found: Json, *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    show_fields(_fields(found))


def _fields(found: Json) -> dict[str, object]:
    fields: dict[str, object] = {
        "id": found["id"],
        "name": found["name"],
        "status": found["status"],
        "project": found["project_id"],
        "owner": _owner(found),
        "permissions": found["permissions"],
        "models": "all" if found["models"] is None else found["models"],
        "endpoints": "all" if found["endpoints"] is None else found["endpoints"],
        "addresses": found["ip_allowlist"] or "all",
        "created": moment(found["created_at"]),
        "last used": moment(found["last_used_at"]),
        "expires": "never" if found["expires_at"] is None else moment(found["expires_at"]),
    }
    if found["parent_id"]:
        fields["parent"] = found["parent_id"]
    for number, sentence in enumerate(found["policy_violations"], 1):
        fields[f"breaks policy {number}"] = sentence
    for limit in found["limits"]:
        model = f" of {limit['model']}" if limit["model"] else ""
        if limit["unit"] == "concurrency":
            fields[f"limit concurrency{model}"] = f"{limit['reserved']} of {limit['amount']} calls at once"
            continue
        fields[f"limit {limit['unit']}/{limit['window']}{model}"] = (
            f"{limit['used']} of {limit['amount']} used, {limit['reserved']} reserved, {limit['left']} left"
        )
    for secret in found["secrets"]:
        ends = f", ends {moment(secret['expires_at'])}" if secret["expires_at"] else ""
        fields[f"secret {secret['version']}"] = f"{secret['redacted_value']}, made {moment(secret['created_at'])}{ends}"
    return fields


def _owner(found: Json) -> str:
    owner = found["owner"]
    shown = owner.get(owner["type"]) or {}
    return str(shown.get("email") or shown.get("name") or "")
