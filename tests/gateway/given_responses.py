"""Responses for tests of the gateway: requests, answers, streams, and other projects' keys."""

import json
from typing import Any, Final

import httpx
from sqlalchemy import Connection, insert, update

from gateway.scripted import PEPPER, SECRET, Street
from given import NOON, seeded_entropy, some_people
from keyhouse.core.secret import Kind, digest, mint
from keyhouse.store import schema

ASKING: Final = {"model": "tiny-1", "input": "hello", "max_output_tokens": 50}
USAGE: Final = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
OUTPUT: Final = [{"type": "message", "id": "msg_1", "content": []}]
ANSWER: Final = {"id": "resp_1", "status": "completed", "output": OUTPUT, "usage": USAGE}

OTHER_ORGANIZATION: Final = mint(Kind.USER, "key_2222222222", seeded_entropy(22)).value
OTHER_PROJECT: Final = mint(Kind.USER, "key_3333333333", seeded_entropy(33)).value


def others(connection: Connection) -> None:
    """A key of another organization, and one of another project of the same organization."""
    some_people(connection, suffix="2")
    connection.execute(insert(schema.projects).values(id="proj_3", organization_id="org-1", name="3", created_at_ms=0))
    key = {"kind": "user", "organization_id": "org-1", "project_id": "proj_3", "owner_id": "user-1", "name": "third"}
    key |= {"permissions": '"all"', "created_by": "user-1"}
    connection.execute(insert(schema.keys).values(id="key_3", created_at_ms=NOON, **key))
    secret = {"version": 1, "pepper_version": 1, "last_four": "x9Fa", "created_at_ms": NOON, "created_by": "user-1"}
    connection.execute(insert(schema.key_secrets).values(key_id="key_3", digest=b"3", **secret))
    for key_id, value in (("key_2", OTHER_ORGANIZATION), ("key_3", OTHER_PROJECT)):
        changed = update(schema.key_secrets).where(schema.key_secrets.c.key_id == key_id)
        connection.execute(changed.values(digest=digest(value, PEPPER)))


def event(kind: str, **fields: object) -> str:
    """One event of a response's stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, separators=(',', ':'))}\n\n"


def created(status: str = "in_progress") -> str:
    """The first event."""
    return event("response.created", response={"id": "resp_1", "status": status}, sequence_number=0)


def said(text: str, number: int = 1) -> str:
    """A piece of text."""
    return event("response.output_text.delta", delta=text, sequence_number=number)


def completed(**changes: object) -> str:
    """The last event."""
    return event("response.completed", response=ANSWER | changes, sequence_number=9)


async def create(street: Street, secret: str = SECRET, path: str = "/v1/responses", **changes: Any) -> httpx.Response:
    """`POST` a request for a response."""
    asked = {name: value for name, value in (ASKING | changes).items() if value is not None}
    return await street.http.post(path, json=asked, headers={"authorization": f"Bearer {secret}"})


async def ask(street: Street, method: str, path: str, secret: str = SECRET) -> httpx.Response:
    """A request without a body."""
    return await street.http.request(method, path, headers={"authorization": f"Bearer {secret}"})
