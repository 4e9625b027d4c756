"""Secrets that went through a whole Keyhouse are in none of the places where secrets leak (LiteLLM #24902, #31620).

Looked for in plain, in hex and in base64: in the data folder (the database with its log, everything but the master key
itself), in what the server printed, in what it answered besides the one time a secret is shown, in the metrics, and in
the arguments of its process.
"""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest

from e2e.admin import Admin
from e2e.configuration import UPSTREAM_KEY, a_house
from e2e.processes import PASSWORD, House
from e2e.wire import chat

ADDED_CREDENTIAL: Final = "canary-of-an-upstream-that-was-added-by-api"
PROMPT: Final = "canary of a prompt that nobody may keep"


@pytest.fixture
def fresh(llama_url: str, tmp_path: Path) -> Iterator[House]:
    """A Keyhouse of this test's own."""
    made = a_house(tmp_path, llama_url)
    yield made
    made.stop()


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written: plain, in hex, and in base64 wherever in a text it begins."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for offset in range(3):
        # The characters at both ends depend on what stands beside the secret.
        coded = base64.b64encode(b"\0" * offset + raw)[4 if offset else 0 : -4]
        yield coded
        yield coded.translate(bytes.maketrans(b"+/", b"-_"))


def found_in(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if any(form in content for form in forms(secret))]


def test_every_form_of_a_secret_is_looked_for() -> None:
    secrets = {"canary": "sk-something-to-be-found"}
    for lead in (b"", b"x", b"xy"):
        raw = lead + b"sk-something-to-be-found" + b"tail"
        for written in (raw, raw.hex().encode(), base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
            assert found_in(b"around " + written + b" it", secrets) == ["canary"]
    assert found_in(b"sk-something", secrets) == []


def test_no_secret_is_left_anywhere(fresh: House) -> None:
    answers: list[bytes] = []
    secrets = {"password": PASSWORD, "upstream credential": UPSTREAM_KEY, "added credential": ADDED_CREDENTIAL}
    with Admin(fresh) as admin, httpx.Client(base_url=fresh.url, timeout=30) as client:
        secrets["admin key"] = admin.admin_key
        made = admin.create_key("canary")
        rotated = admin.rotate(made["id"], 3_600)
        secrets |= {"first secret": made["value"], "second secret": rotated["value"]}
        written = {"name": "added", "base_url": "http://127.0.0.1:9/v1", "allow_private": True}
        admin.ask("POST", "/upstreams", body=written | {"api_key": ADDED_CREDENTIAL})
        for bearer in (made["value"], rotated["value"], made["value"][:-1] + "!", admin.admin_key):
            head = {"authorization": f"Bearer {bearer}"}
            bodies = (chat(PROMPT), chat(PROMPT, stream=True), chat(PROMPT, model="nobody"))
            answers += [client.post("/v1/chat/completions", json=body, headers=head).content for body in bodies]
            answers.append(client.get("/v1/models", headers=head).content)
            answers.append(client.get("/v1/organization/audit_logs", headers=head).content)
            answers.append(client.get("/v1/organization/upstreams", headers=head).content)
            answers.append(client.get(f"/v1/nothing?key={bearer}", headers=head).content)
        token = client.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
        form = {"csrf": token, "email": "ada@example.com", "password": PASSWORD}
        answers.append(client.post("/sign-in", data=form, headers={"origin": fresh.url}).content)
        answers += [client.get(path).content for path in ("/api-keys", "/audit-log", "/help", "/metrics", "/readyz")]
        fresh.calls(made["id"])
    assert fresh.child is not None
    process = Path(f"/proc/{fresh.child.process.pid}/cmdline")
    places = {"an answer": b"\n".join(answers), "the arguments": process.read_bytes()}
    fresh.stop()
    places["what it printed"] = (fresh.folder / "serve.log").read_bytes()
    kept = [path for path in fresh.data.rglob("*") if path.is_file() and path.name != "master.key"]
    assert any(path.name == "keyhouse.db" for path in kept)
    places |= {path.name: path.read_bytes() for path in kept}
    assert {place: found for place, content in places.items() if (found := found_in(content, secrets))} == {}
    assert {place for place, content in places.items() if PROMPT.encode() in content} <= {"an answer"}
