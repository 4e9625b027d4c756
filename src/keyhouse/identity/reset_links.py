"""The token of a link by which someone chooses a new password. Nothing of it is stored.

It says whose password, who made it and until when, and is signed with a key derived from the master key over that and
over the password's present hash. So it works once: with the new password the hash is another one, and every link that
was made before is dead. Who can only write to the database cannot make one.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec

TOKEN_LENGTH_MAX: Final = 400


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What a token says. `maker_id` is empty for one that was made by the command, where Keyhouse runs."""

    user_id: str
    organization_id: str
    maker_id: str
    until_ms: int


def make_token(key: bytes, claim: Claim, password_hash: str | None) -> str:
    """The token for this claim on someone whose password has this hash, None if they have none."""
    said = msgspec.json.encode(claim)
    return f"{_text(said)}.{_text(_signature(key, said, password_hash))}"


def read_claim(token: str) -> Claim | None:
    """What a token says, if it has the form of one. It proves nothing yet."""
    said = _bytes(token.partition(".")[0]) if len(token) <= TOKEN_LENGTH_MAX else None
    try:
        return None if said is None else msgspec.json.decode(said, type=Claim)
    except msgspec.DecodeError:
        return None


def is_genuine(key: bytes, token: str, password_hash: str | None) -> bool:
    """Whether a token was made with this key, while the password had this hash."""
    said, signature = (_bytes(part) for part in (token.partition(".")[0], token.partition(".")[2]))
    if said is None or signature is None:
        return False
    return hmac.compare_digest(signature, _signature(key, said, password_hash))


def _signature(key: bytes, said: bytes, password_hash: str | None) -> bytes:
    bound_to = b"" if password_hash is None else hashlib.sha256(password_hash.encode()).digest()
    return hmac.digest(key, len(said).to_bytes(4, "big") + said + bound_to, hashlib.sha256)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
