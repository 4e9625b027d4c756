"""Whose an object is that an upstream keeps, such as a response. A project finds its own; every other one reads as
missing, also where another project has it.
"""

import re
from collections.abc import Sequence
from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.gateway.routing import Deployment
from keyhouse.store.engine import Database, Unavailable
from keyhouse.store.objects import Object, delete_object, insert_objects, list_objects, page_of_objects

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
"""What an id may look like: nothing that means something in a path."""


def is_object_id(text: str) -> bool:
    """Whether this can be an object's id, and can stand in a path as it is."""
    return _SHAPE.fullmatch(text) is not None


class Objects:
    """The objects of all projects, in the books."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, credential: Credential, upstream: str, made: Sequence[tuple[str, str]]) -> bool:
        """Note that these, by kind and id, are the credential's project's. False if it could not be written."""
        now_ms = self._clock.now_ms()
        found = [
            Object(
                object_id,
                upstream,
                kind,
                credential.organization_id,
                credential.project_id,
                credential.key_id,
                now_ms,
            )
            for kind, object_id in made
            if is_object_id(object_id)
        ]
        if not found:
            return True
        try:
            await self._database.write(lambda connection: insert_objects(connection, found))
        except Unavailable:
            return False
        return True

    async def get(self, credential: Credential, kind: str, object_id: str) -> Object:
        """The project's object of this kind and id. Raises Refusal if it has none."""
        for found in await self._find(credential, {object_id}):
            if found.kind == kind:
                return found
        raise _missing(kind.capitalize(), object_id, "id")

    async def at_keepers(
        self, credential: Credential, references: Sequence[tuple[str, str]], deployments: Sequence[Deployment]
    ) -> Sequence[Deployment]:
        """Those of the deployments whose upstream keeps all that a request names, by parameter and id.

        Raises Refusal if there is none, or if something that is named is not the project's.
        """
        kept: dict[str, set[str]] = {}
        for one in await self._find(credential, {object_id for _, object_id in references}):
            kept.setdefault(one.id, set()).add(one.upstream)
        left = deployments
        for param, object_id in references:
            keepers = kept.get(object_id, ())
            left = [deployment for deployment in left if deployment.upstream.name in keepers]
            if not left:
                what = "Previous response" if param == "previous_response_id" else "Object"
                raise _missing(what, object_id, param.partition(":")[0])
        return left

    async def keeper(self, credential: Credential, references: Sequence[tuple[str, str]], at: str | None) -> str:
        """The upstream, `at` if given, that keeps all that a request names. Raises Refusal like `at_keepers`."""
        kept: dict[str, set[str]] = {}
        for one in await self._find(credential, {object_id for _, object_id in references}):
            kept.setdefault(one.id, set()).add(one.upstream)
        left = None if at is None else {at}
        for param, object_id in references:
            keepers = kept.get(object_id, set())
            left = keepers if left is None else left & keepers
            if not left:
                raise _missing("Object", object_id, param)
        return min(left or ())

    async def page(
        self, credential: Credential, kind: str, after: str | None, limit: int, *, is_descending: bool
    ) -> list[Object]:
        """At most `limit` of the project's objects of this kind, those that follow `after`, which it must have."""
        last = None if after is None else await self.get(credential, kind, after)
        return await self._database.read(
            lambda connection: page_of_objects(
                connection, credential.project_id, kind, last, limit, is_descending=is_descending
            )
        )

    async def forget(self, credential: Credential, found: Object) -> None:
        """Forget an object that the upstream has deleted."""
        await self._database.write(
            lambda connection: delete_object(connection, credential.project_id, found.id, found.upstream)
        )

    async def _find(self, credential: Credential, ids: set[str]) -> list[Object]:
        possible = [object_id for object_id in ids if is_object_id(object_id)]
        if not possible:
            return []
        return await self._database.read(lambda connection: list_objects(connection, credential.project_id, possible))


def _missing(what: str, object_id: str, param: str) -> Refusal:
    return Refusal(
        Code.NOT_FOUND,
        f"{what} with id '{object_id[:200]}' not found.",
        hint="A project finds what was made with its own keys, at the upstream that serves the model.",
        param=param,
    )
