"""Whatever is wrong with a request: OpenAI's error shape, a message that says what to do, and nothing reserved."""

import time
from collections.abc import Callable, Iterator

import pytest

from e2e.admin import Admin
from e2e.processes import House
from e2e.wire import Reply, chat, post

DEEP = b'{"model":"tiny-1","messages":' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}"
"""Deeper than any interpreter reads: from 3.14 on the size of the stack decides, which is some hundred thousand."""


@pytest.fixture(scope="module")
def key(house: House) -> Iterator[str]:
    """A key with nothing wrong with it."""
    with Admin(house) as admin:
        yield admin.create_key("bad input")["value"]


@pytest.fixture
def nothing_reserved(house: House) -> Iterator[None]:
    """Fails a test after which the ledger has another row, or a limit another reservation."""
    ledger = "SELECT (SELECT count(*) FROM calls), (SELECT coalesce(sum(settled + reserved), 0) FROM limit_periods)"
    before = house.rows(ledger)
    yield
    assert house.rows(ledger) == before


BODIES: list[tuple[str, object, int, str, str | None, str]] = [
    ("nothing", b"", 400, "body_not_json", None, "JSON"),
    ("malformed JSON", b'{"model": "tiny-1", "messages": [', 400, "body_not_json", None, "JSON"),
    ("not an object", b"[1, 2]", 400, "body_not_json", None, "object"),
    ("bad UTF-8", b'{"model": "tiny-1", "messages": "\xff\xfe"}', 400, "body_not_json", None, "UTF-8"),
    ("nested too deeply", DEEP, 400, "body_not_json", None, ""),
    ("no model", {"messages": [{"role": "user", "content": "Hello"}]}, 400, "parameter_missing", "model", "model"),
    ("a model that is a number", chat(model=7), 400, "parameter_invalid", "model", "model"),
    ("a model that nobody knows", chat(model="tiny-2"), 404, "model_unknown", "model", "tiny-2"),
    ("no messages", {"model": "tiny-1"}, 400, "parameter_missing", "messages", "messages"),
    ("messages that are text", chat(messages="Hello"), 400, "parameter_invalid", "messages", "messages"),
    ("stream as text", chat(stream="yes"), 400, "parameter_invalid", "stream", "stream"),
    ("a maximum as text", chat(max_tokens="many"), 400, "parameter_invalid", "max_tokens", "max_tokens"),
    ("a negative maximum", chat(max_tokens=-5), 400, "parameter_invalid", "max_tokens", "max_tokens"),
    ("a maximum of 2**70", chat(max_tokens=2**70), 400, "parameter_invalid", "max_tokens", "max_tokens"),
    ("a fraction as maximum", chat(max_tokens=1.5), 400, "parameter_invalid", "max_tokens", "max_tokens"),
    ("no choices", chat(n=0), 400, "parameter_invalid", "n", "n"),
    ("25 MB", chat("a" * 25_000_000), 413, "body_too_large", None, "MB"),
]


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_reserved")
@pytest.mark.parametrize(
    ("body", "status", "reason", "param", "word"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
async def test_a_bad_body_is_refused_in_openais_shape_and_reserves_nothing(
    house: House, key: str, body: object, status: int, reason: str, param: str | None, word: str
) -> None:
    reply = await post(house.url, body, key)
    assert (reply.status, reply.error["reason"]) == (status, reason), reply.body
    assert reply.error["type"] == "invalid_request_error"
    assert reply.error["param"] == param
    assert word in reply.error["message"]
    assert reply.headers["x-request-id"]


Spoil = Callable[[Admin], list[tuple[str, str]]]


def bearer(value: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {value}")]


def spoiled(verb: Callable[[Admin, str], object]) -> Spoil:
    def make(admin: Admin) -> list[tuple[str, str]]:
        made = admin.create_key()
        verb(admin, made["id"])
        return bearer(made["value"])

    return make


def expired(admin: Admin) -> list[tuple[str, str]]:
    made = admin.create_key(expires_at=int(time.time()) + 1)
    while time.time() <= made["expires_at"]:
        time.sleep(0.02)
    return bearer(made["value"])


def swapped(value: str) -> str:
    """The value with one character changed, so that the checksum is wrong."""
    return value[:-10] + ("a" if value[-10] != "a" else "b") + value[-9:]


CREDENTIALS: list[tuple[str, Spoil, int, str, str]] = [
    ("none", lambda _: [], 401, "credential_missing", "Authorization"),
    ("empty", lambda _: bearer(""), 401, "credential_missing", "Authorization"),
    ("two headers", lambda a: bearer(a.create_key()["value"]) * 2, 400, "credential_twice", "one"),
    (
        "two kinds of header",
        lambda a: [*bearer(a.create_key()["value"]), ("api-key", a.create_key()["value"])],
        400,
        "credential_twice",
        "one",
    ),
    ("garbage", lambda _: bearer("nonsense"), 401, "key_malformed", "key"),
    ("wrong checksum", lambda a: bearer(swapped(a.create_key()["value"])), 401, "key_malformed", "key"),
    ("an admin key", lambda a: bearer(a.admin_key), 401, "key_wrong_kind", "admin key"),
    ("revoked", spoiled(Admin.revoke), 401, "key_revoked", "revoked"),
    ("disabled", spoiled(Admin.disable), 401, "key_disabled", "disabled"),
    ("expired", expired, 401, "key_expired", "expired"),
    ("rotated", spoiled(lambda admin, key_id: admin.rotate(key_id, 0)), 401, "key_rotated", "rotated"),
]


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_reserved")
@pytest.mark.parametrize(
    ("make", "status", "reason", "word"), [row[1:] for row in CREDENTIALS], ids=[row[0] for row in CREDENTIALS]
)
async def test_a_bad_credential_is_refused_in_openais_shape_and_reserves_nothing(
    house: House, admin: Admin, make: Spoil, status: int, reason: str, word: str
) -> None:
    reply = await post(house.url, chat(max_tokens=4), credentials=make(admin))
    assert (reply.status, reply.error["reason"]) == (status, reason), reply.body
    assert reply.error["type"] == "invalid_request_error"
    assert word in reply.error["message"]


@pytest.mark.asyncio
@pytest.mark.usefixtures("nothing_reserved")
@pytest.mark.parametrize(("path", "status"), [("/v1/nowhere", 404), ("/v1/chat/completions/", 404)])
async def test_an_unknown_address_is_refused_in_openais_shape(house: House, key: str, path: str, status: int) -> None:
    reply: Reply = await post(house.url, chat(max_tokens=4), key, path=path)
    assert reply.status == status
    assert reply.error["message"]
