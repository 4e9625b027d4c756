"""Who can grant what somebody lacks: a refusal names the owners, to members of the organization alone.

Whoever is refused is a member, or has an admin key of one: nobody else gets as far as being asked for a permission.
What is named depends on their own organization only, so that it tells nothing of what may be elsewhere.
"""

from typing import Final

from keyhouse.core.errors import Code, Refusal
from keyhouse.store import grants
from keyhouse.store.engine import Actor, Database
from keyhouse.store.people import Member

NAMED_MAX: Final = 3
"""How many owners are named. One will do, and the first may be on holiday."""


class Lacking(Refusal):
    """A member lacks a permission, in a project or in the organization; its hint ends before the owners' names."""

    def __init__(
        self, actor: Actor, message: str, hint: str, *, code: Code = Code.NOT_PERMITTED, project_id: str | None = None
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.organization_id = actor.organization_id
        self.project_id = project_id


async def naming_owners(database: Database, lacking: Lacking) -> Refusal:
    """The same refusal with the names of those who can grant it, owners of the project first."""
    owners = await database.read(
        lambda c: grants.list_owners(c, lacking.organization_id, lacking.project_id, NAMED_MAX)
    )
    if not owners:
        return lacking
    names = ", ".join(map(_named, owners))
    return Refusal(lacking.code, lacking.message, hint=f"{lacking.hint.removesuffix('.')}: {names}.")


def _named(owner: Member) -> str:
    return f"{owner.name} ({owner.email})" if owner.name else owner.email
