"""`keyhouse keys callers`, `children` and `verify`: who uses a key, what it made, and whether it will do."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from keyhouse.cli import forms, lookup
from keyhouse.cli.client import Client, part
from keyhouse.cli.lookup import Key, ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, show_fields, show_json, show_table


def callers(
    key: Key,
    /,
    *,
    since: Annotated[str | None, Parameter(help="From when on: 24h, or 2027-01-31. The last day if left out.")] = None,
    project: ProjectOption = None,
    json: AsJson = False,
) -> None:
    """Show who calls with which secret of a key: whom a rotation still waits for.

    For example:

        keyhouse keys callers key_7Qm2x9FaLk --since 7d
    """
    client = Client()
    query = None
    if since is not None:
        query = {"start_time": forms.instant(since, "--since", datetime.now(UTC), direction=-1)}
    found = client.get(f"{lookup.key_path(client, key, project)}/secrets", query)
    if json:
        show_json(found)
        return
    rows = [
        (
            secret["version"],
            caller["address"],
            caller["user_agent"],
            caller["endpoint"],
            caller["requests"],
            moment(caller["last_seen_at"]),
        )
        for secret in found["data"]
        for caller in secret["callers"]
    ]
    show_table(("SECRET", "ADDRESS", "AGENT", "ENDPOINT", "REQUESTS", "LAST SEEN"), rows, ("REQUESTS",))


def children(key: Key, /, *, project: ProjectOption = None, json: AsJson = False) -> None:
    """List the child keys that a key has made and that are not revoked.

    For example:

        keyhouse keys children key_7Qm2x9FaLk
    """
    client = Client()
    parent = lookup.key(client, key, project)
    every = client.every(f"/projects/{part(parent['project_id'])}/api_keys")
    found = [each for each in every if each["parent_id"] == parent["id"]]
    if json:
        show_json({"object": "list", "data": found})
        return
    rows = [
        (each["id"], each["name"], each["status"], moment(each["created_at"]), moment(each["expires_at"]))
        for each in found
    ]
    show_table(("ID", "NAME", "STATUS", "CREATED", "EXPIRES"), rows)


def verify(
    *,
    permissions: Annotated[str | None, Parameter(help="Grants it must have, such as chat_completions=write.")] = None,
    model: Annotated[str | None, Parameter(help="A model it must be allowed.")] = None,
    ip: Annotated[str | None, Parameter(help="The address it is used from.")] = None,
    cost: Annotated[str | None, Parameter(help="What to charge it: requests=1,tokens=500,usd=0.01.")] = None,
    json: AsJson = False,
) -> None:
    """Ask whether the key on stdin will do. Without --cost nothing is charged. Ends with 4 if it will not do.

    For example:

        keyhouse keys verify --permissions chat_completions=write < key.txt
    """
    body: dict[str, Any] = {"key": sys.stdin.readline().strip(), "cost": {"requests": 0}}
    if not body["key"]:
        raise Failure("no key on stdin. Write it there: `keyhouse keys verify < key.txt`.", Exit.USAGE)
    if cost is not None:
        body["cost"] = forms.permissions(cost)
    if permissions is not None:
        body["permissions"] = forms.permissions(permissions)
    body |= {name: value for name, value in (("model", model), ("ip", ip)) if value is not None}
    found = Client().verify(body)
    if json:
        show_json(found)
    else:
        key = found["key"] or {}
        shown = {"valid": found["valid"], "code": found["code"], "key": key.get("id"), "name": key.get("name")}
        limits = {
            f"limit {limit['unit']}/{limit['window']} of {limit['scope']['type']}": (
                f"{limit['left']} of {limit['amount']} left"
            )
            for limit in found["limits"]
        }
        show_fields(shown | limits)
    if not found["valid"]:
        raise Failure(found["message"], Exit.DENIED)
