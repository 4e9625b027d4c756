"""What was just done to a key, told once at the foot of the page that comes after it."""

from typing import Final

import msgspec

from keyhouse.console.doorway import Visit, keys_seen, session_of
from keyhouse.console.key_view import KeyLine, key_line
from keyhouse.console.pages import pages_of

_DONE: Final = {
    "disabled": ("is disabled", True),
    "enabled": ("is enabled", False),
    "revoked": ("is revoked", False),
    "ended": ("has one secret again", False),
    "changed": ("is changed", False),
    "extended": ("keeps its old secret for longer", False),
}


class Toast(msgspec.Struct, frozen=True):
    """What was just done to a key, and whether it can be undone."""

    key_id: str
    text: str
    can_enable: bool


async def toast_of(request: Visit) -> Toast | None:
    """What the address says was just done, if the key agrees: an address alone must not be believed."""
    done, key_id = request.query_params.get("done", ""), request.query_params.get("on", "")
    if done not in _DONE or not key_id:
        return None
    pages, session = pages_of(request), session_of(request)
    names = await pages.desk.names(session.organization_id, [key_id])
    if key_id not in names:
        return None
    row = await pages.desk.key_questions.one(session.organization_id, key_id, keys_seen(request))
    line: KeyLine = key_line(row, pages.times(session))
    agrees = {"disabled": line.is_disabled, "revoked": line.is_revoked, "enabled": not line.is_disabled}
    if not agrees.get(done, True):
        return None
    text, can_enable = _DONE[done]
    return Toast(key_id, f"{line.name} {text}", can_enable)
