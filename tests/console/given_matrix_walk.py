"""A console of two organizations full of things, and its routes asked by who has which role."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import Connection, insert

from console.given_console import Console
from given import NOON, some_people
from given_calls import a_call
from given_matrix import Line, Role, Rows, lines
from keyhouse.control.keys import KeyDraft
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.policy import LimitDraft
from keyhouse.core.written import WrittenModel, WrittenUpstream
from keyhouse.identity.sessions import hash_of
from keyhouse.store import schema
from keyhouse.store.engine import Actor

LINES: Final = lines(Path(__file__).parent / "matrix.txt")
OWNERS: Final = {"1": "user-1", "2": "user-2"}


class Walk:
    """The console and the ids of what is in `org-1` and `org-2`."""

    def __init__(self, console: Console, file: Path) -> None:
        self.console = console
        self.rows = Rows(file)
        self.ids: dict[str, dict[str, str]] = {}

    async def fill(self) -> None:
        """Put people and things into both organizations."""
        for suffix in ("1", "2"):
            await self.console.database.write(partial(some_people, suffix=suffix))
            self.ids[suffix] = await self._things(suffix)

    async def session(self, user_id: str, suffix: str = "1") -> tuple[str, str]:
        """The cookie and the form token of a new session of this person."""
        sessions = self.console.desk.sessions
        cookie = await sessions.begin(user_id, f"org-{suffix}", "127.0.0.1", "test")
        found = await sessions.find(cookie)
        assert found is not None
        return cookie, found.csrf_token

    async def someone(self, role: Role) -> tuple[str, str]:
        """The same of someone new with this role."""
        name = role.name.replace(" ", "-")
        user_id = await self._member("1", name, role.organization)
        if role.project is not None:
            people = self.console.desk.people
            await people.add_to_project(_owner("1"), "proj_1", role.project, user_id=user_id)
        if role.own:
            made = await self.console.desk.roles.create(_owner("1"), name, sorted(role.own))
            await self.console.desk.assignments.give_user(_owner("1"), user_id, made.id)
        return await self.session(user_id)

    async def ask(self, line: Line, who: tuple[str, str] | None, ids: Mapping[str, str]) -> httpx.Response:
        """Ask a route of what is there, with its form."""
        browser, (cookie, token) = self.console.browser, who or ("", "")
        browser.cookies.clear()
        if cookie:
            browser.cookies.set("keyhouse", cookie)
        if line.method == "GET":
            return await browser.get(line.address(ids))
        return await browser.post(line.address(ids), data={"csrf": token} | (line.written(ids) or {}))

    async def _things(self, suffix: str) -> dict[str, str]:
        desk, owner, project = self.console.desk, _owner(suffix), f"proj_{suffix}"
        guest = await self._member(suffix, f"guest-{suffix}", "member")
        key = await desk.keys.create(owner, KeyDraft(name="named", project_id=project))
        await desk.keys.rotate(owner, key.key.id, 3_600_000)
        limit = await desk.limits.set(owner, ScopeType.KEY, key.key.id, LimitDraft(Unit.USD, Window.MONTH, 1))
        invited = await desk.invites.create(owner, f"later-{suffix}@example.com", "member")
        held, new = [
            await desk.roles.create(owner, name, ["api.organization.roles.read"]) for name in ("held", "unheld")
        ]
        await desk.assignments.give_user(owner, guest, held.id)
        await desk.people.add_to_project(owner, project, "viewer", user_id=guest)
        held_here, new_here = [
            await desk.roles.create(owner, name, ["api.organization.projects.roles.read"], project_id=project)
            for name in ("held here", "unheld here")
        ]
        await desk.assignments.give_user(owner, guest, held_here.id, project_id=project)
        at: Any = {"organization_id": f"org-{suffix}", "project_id": project, "key_id": key.key.id}
        call_id = await self.console.database.write(lambda c: a_call(c, place=int(suffix), **at))
        other = f"proj_other_{suffix}"
        row = {"id": other, "organization_id": f"org-{suffix}", "name": f"Other {suffix}", "created_at_ms": NOON}
        await self.console.database.write(lambda c: c.execute(insert(schema.projects).values(row)).rowcount)
        ids = {"key_id": key.key.id, "limit_id": limit.limit.id, "invite_id": invited.invite.id, "user_id": guest}
        ids |= {"role_id": held.id, "new_role_id": new.id, "call_id": call_id, "other_project_id": other}
        ids |= {"project_role_id": held_here.id, "new_project_role_id": new_here.id}
        group = await desk.groups.create(owner, f"Desk {suffix}")
        await desk.groups.add_user(owner, group.id, guest)
        await desk.assignments.give_group(owner, group.id, held.id)
        await desk.assignments.give_group(owner, group.id, held_here.id, project_id=project)
        ids |= {"group_id": group.id, "other_user_id": await self._member(suffix, f"other-{suffix}", "member")}
        ids["admin_key_id"] = (await desk.keys.create_admin(owner, "opens", None)).key.id
        upstream = WrittenUpstream(f"own-{suffix}", f"https://own-{suffix}.example.com/v1")
        ids["upstream_id"] = (await desk.catalog.upstreams.create(owner, upstream, None)).id
        served = WrittenModel(name=f"model-{suffix}", upstreams=("fixed",))
        ids["model_id"] = (await desk.catalog.models.create(owner, served)).id
        session, _ = await self.session(guest, suffix)
        ids |= {"session_id": hash_of(session).hex()}
        return ids | {"project_id": project, "token": "guess", "path": "nothing"}

    async def _member(self, suffix: str, name: str, role: str) -> str:
        user = {"id": f"user-{name}", "email": f"{name}@example.com", "name": name, "created_at_ms": NOON}
        row = {"organization_id": f"org-{suffix}", "user_id": user["id"], "role": role, "added_at_ms": NOON}

        def write(connection: Connection) -> None:
            connection.execute(insert(schema.users).values(user))
            connection.execute(insert(schema.memberships).values(row))

        await self.console.database.write(write)
        return str(user["id"])


def _owner(suffix: str) -> Actor:
    return Actor("session", f"org-{suffix}", OWNERS[suffix], f"user-{suffix}@example.com", "owner")
