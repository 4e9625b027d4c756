"""The matrix of `matrix.txt` read, two organizations full of things to name, and everyone who asks for them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from sqlalchemy import insert, update

from admin.town import Town, run
from given import NOON
from given_calls import a_call
from given_matrix import Line, Role, Rows, lines
from keyhouse.admin.app import build
from keyhouse.admin.policy import PROJECT_ROOT, ROOT
from keyhouse.core.secret import Kind
from keyhouse.store import schema
from keyhouse.store.engine import Actor

LINES: Final = lines(Path(__file__).parent / "matrix.txt", "/v1")

_PROJECT: Final = f"{ROOT}/projects/{{project_id}}"
_IN_PROJECT: Final = f"{PROJECT_ROOT}/{{project_id}}"
_MADE: Final = (
    ("service_account_id", f"{_PROJECT}/service_accounts"),
    ("invite_id", f"{ROOT}/invites"),
    ("role_id", f"{ROOT}/roles"),
    ("new_role_id", f"{ROOT}/roles"),
    ("project_role_id", f"{_IN_PROJECT}/roles"),
    ("new_project_role_id", f"{_IN_PROJECT}/roles"),
    ("group_id", f"{ROOT}/groups"),
    ("new_group_id", f"{ROOT}/groups"),
    ("limit_id", f"{ROOT}/limits"),
    ("alert_id", f"{ROOT}/spend_alerts"),
    ("project_alert_id", f"{_PROJECT}/spend_alerts"),
    ("upstream_id", f"{ROOT}/upstreams"),
    ("model_id", f"{ROOT}/models"),
)
"""What is made of each organization's own, and where."""

_GIVEN: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    (f"{ROOT}/groups/{{group_id}}/users", {"new_user_id": "user_id"}),
    (f"{ROOT}/users/{{user_id}}/roles", {"new_role_id": "role_id"}),
    (f"{ROOT}/groups/{{group_id}}/roles", {"new_role_id": "role_id"}),
    (f"{_PROJECT}/users", {"new_user_id": "user_id"}),
    (f"{_PROJECT}/groups", {"new_group_id": "group_id"}),
    (f"{_IN_PROJECT}/users/{{user_id}}/roles", {"role_id": "project_role_id", "new_role_id": "project_role_id"}),
    (f"{_IN_PROJECT}/groups/{{group_id}}/roles", {"role_id": "project_role_id", "new_role_id": "project_role_id"}),
    (f"{ROOT}/spend_limit", {}),
    (f"{_PROJECT}/spend_limit", {}),
    (f"{_PROJECT}/model_permissions", {}),
)
"""What is given to whom and set where; the names of bodies stand for what is there."""


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    text: str

    @property
    def reason(self) -> str:
        """Why it was refused."""
        return str(msgspec.json.decode(self.text)["error"]["reason"])


class Inside:
    """Asks an ASGI app in this very process: a walk of thousands of requests is over in seconds."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        """Let go of the loop."""
        self._loop.close()

    def ask(
        self, method: str, address: str, credential: str | None, body: object = None, host: bytes = b"localhost"
    ) -> Answer:
        """Ask with this bearer's credential, or with none."""
        bearer = [] if credential is None else [(b"authorization", f"Bearer {credential}".encode())]
        return self.ask_with(method, address, [(b"host", host), *bearer], body)

    def ask_with(self, method: str, address: str, headers: list[tuple[bytes, bytes]], body: object = None) -> Answer:
        """Ask with these headers."""
        return self._loop.run_until_complete(self._ask(method, address, headers, body))

    async def _ask(self, method: str, address: str, headers: list[tuple[bytes, bytes]], body: object) -> Answer:
        path, _, query = address.partition("?")
        sent = b"" if body is None else msgspec.json.encode(body)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"content-length", str(len(sent)).encode()), *headers],
            "client": ("192.0.2.1", 1),
            "server": ("127.0.0.1", 80),
        }
        came: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            came.append(message)

        await self._app(scope, receive, send)
        return Answer(came[0]["status"], b"".join(each.get("body", b"") for each in came[1:]).decode())


class Matrix:
    """A town with things of both organizations that every route can name, and its Admin API asked from inside."""

    def __init__(self, town: Town, file: Path) -> None:
        self.town = town
        self.lines = LINES
        self.inside = Inside(cast("Any", build(town.office)))
        self.rows = Rows(file)
        town.execute(lambda connection: connection.execute(update(schema.projects).values(is_default=0)).rowcount)
        self.asker, self.asks_with = self.newcomer("asker")
        self.ids = {suffix: self._things(suffix) for suffix in ("1", "2")}

    def ids_of(self, line: Line, suffix: str = "1") -> dict[str, str]:
        """The ids of things that are there, by the names that this line has for them."""
        ids = self.ids[suffix]
        named = ids.copy()
        if "admin_api_keys" in line.path:
            named["key_id"] = ids["admin_key_id"]
        if line.path.startswith(f"{ROOT}/projects/"):
            named["alert_id"] = ids["project_alert_id"]
        if line.path.startswith(PROJECT_ROOT):
            named |= {"role_id": ids["project_role_id"], "new_role_id": ids["new_project_role_id"]}
        return named

    def ask(self, line: Line, credential: str | None, ids: Mapping[str, str] | None = None) -> Answer:
        """Ask a route of what is there, with its body."""
        known = self.ids_of(line) if ids is None else ids
        return self.inside.ask(line.method, line.address(known), credential, line.written(known))

    def newcomer(self, name: str) -> tuple[str, str]:
        """Another owner of `org-1`, and an admin key of theirs."""
        user_id = self._member("1", name, "owner")
        actor = Actor("session", "org-1", user_id, f"{name}@example.com", "owner")
        return user_id, run(self.town.keys.create_admin(actor, "asks", None)).value

    def take(self, role: Role, user_id: str | None = None) -> None:
        """Let the asker, or this user, have this role, and no other."""
        members, held, given = schema.memberships, schema.project_members, schema.role_assignments
        user_id = user_id or self.asker

        def write(connection: Any) -> None:
            connection.execute(update(members).where(members.c.user_id == user_id).values(role=role.organization))
            connection.execute(held.delete().where(held.c.user_id == user_id))
            connection.execute(given.delete().where(given.c.principal_id == user_id))
            if role.project is not None:
                row = {"project_id": "proj_1", "user_id": user_id, "organization_id": "org-1", "role": role.project}
                connection.execute(insert(held).values(row | {"added_at_ms": NOON}))

        self.town.execute(write)
        if role.own:
            body = {"role_name": role.name, "permissions": sorted(role.own)}
            made = self.inside.ask("POST", f"{ROOT}/roles", self.town.owner, body)
            role_id = msgspec.json.decode(made.text)["id"]
            self.inside.ask("POST", f"{ROOT}/users/{user_id}/roles", self.town.owner, {"role_id": role_id})

    @contextmanager
    def kept(self) -> Iterator[Callable[[], None]]:
        """How to put everything back to what it is now."""
        with self.rows.kept() as put_rows_back:

            def put_back() -> None:
                put_rows_back()
                run(self.town.catalog.reload())

            yield put_back

    def _things(self, suffix: str) -> dict[str, str]:
        town, actor = self.town, self.town.actor(suffix)
        ids = {"n": "1", "soon": str(NOON // 1000 + 60), "project_id": f"proj_{suffix}", "rate_limit_id": "rl-tiny-1"}
        ids |= {f"{new}user_id": self._member(suffix, f"{new}guest-{suffix}") for new in ("", "new_")}
        ids["admin_key_id"] = run(town.keys.create_admin(actor, "named", None)).key.id
        ids["key_id"], _ = town.project_key(suffix)
        run(town.keys.rotate(actor, ids["key_id"], 3_600_000))
        at: Any = {"organization_id": actor.organization_id, "project_id": ids["project_id"], "key_id": ids["key_id"]}
        ids["call_id"] = town.execute(lambda connection: a_call(connection, place=int(suffix), **at))
        for place, (name, path) in enumerate(_MADE):
            ids[name] = self._make(suffix, self.lines["POST", path], ids | {"n": f"{suffix}{place}"})["id"]
        for path, names in _GIVEN:
            self._make(suffix, self.lines["POST", path], ids | {new: ids[old] for new, old in names.items()})
        return ids

    def _make(self, suffix: str, line: Line, ids: Mapping[str, str]) -> dict[str, Any]:
        answer = self.ask(line, self.town.owner if suffix == "1" else self.town.stranger, ids)
        assert answer.status == 200, (line, answer)
        made: dict[str, Any] = msgspec.json.decode(answer.text)
        return made

    def _member(self, suffix: str, name: str, role: str = "member") -> str:
        user = {"id": f"user-{name}", "email": f"{name}@example.com", "name": name, "created_at_ms": NOON}
        row = {"organization_id": f"org-{suffix}", "user_id": user["id"], "role": role, "added_at_ms": NOON}

        def write(connection: Any) -> None:
            connection.execute(insert(schema.users).values(user))
            connection.execute(insert(schema.memberships).values(row))

        self.town.execute(write)
        return str(user["id"])


def key_values(town: Town) -> dict[Kind, str]:
    """A living secret of each kind of key that calls models."""
    made = run(town.office.service_accounts.create(town.actor(), "proj_1", "bot"))
    assert made.issued is not None
    return {Kind.USER: town.project_key()[1], Kind.SERVICE_ACCOUNT: made.issued.value}
