"""GitHub's signature on its reports of leaked secrets: ECDSA on P-256 with SHA-256, over the body as it came.

`Github-Public-Key-Identifier` names the key, `Github-Public-Key-Signature` is the signature in DER and base64; the keys
are published as JSON (docs.github.com, secret scanning partner program, implement signature verification). They are
given by whoever runs the house: no request makes Keyhouse fetch anything.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from keyhouse.core.errors import Code, Refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

IDENTIFIER: Final = b"github-public-key-identifier"
SIGNATURE: Final = b"github-public-key-signature"


class _PublicKey(msgspec.Struct, frozen=True):
    key_identifier: str
    key: str


class _PublicKeys(msgspec.Struct, frozen=True):
    public_keys: tuple[_PublicKey, ...]


class Signatures:
    """Knows a reporter's public keys, by their identifiers."""

    def __init__(self, keys: Mapping[bytes, "EllipticCurvePublicKey"]) -> None:
        self._keys = keys

    def require(self, identifiers: Sequence[bytes], signatures: Sequence[bytes], body: bytes) -> None:
        """Go on only if the body was signed with one of the keys; raises Refusal(SIGNATURE_WRONG)."""
        if len(identifiers) != 1 or len(signatures) != 1:
            raise _wrong("is not signed")
        key = self._keys.get(identifiers[0])
        if key is None:
            raise _wrong("is signed with a key that is not known here")
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            key.verify(base64.b64decode(signatures[0], validate=True), body, ECDSA(SHA256()))
        except (binascii.Error, InvalidSignature):
            raise _wrong("is not what was signed") from None


def read_signatures(published: str) -> Signatures:
    """The keys as GitHub publishes them. Raises ValueError that says what was expected."""
    # Late: it takes 8 MB, which a house that expects no reports can do without.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = msgspec.json.decode(published, type=_PublicKeys).public_keys
    except msgspec.DecodeError as error:
        raise ValueError(f"expected what GitHub publishes of its keys, in JSON: {error}") from None
    keys: dict[bytes, EllipticCurvePublicKey] = {}
    for each in found:
        try:
            key = load_pem_public_key(each.key.encode())
        except ValueError:
            raise ValueError(f"the key {each.key_identifier[:100]!r} is not in PEM") from None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError(f"the key {each.key_identifier[:100]!r} is not one of ECDSA on P-256")
        keys[each.key_identifier.encode()] = key
    if not keys:
        raise ValueError("expected at least one key")
    return Signatures(keys)


def _wrong(what: str) -> Refusal:
    return Refusal(
        Code.SIGNATURE_WRONG,
        f"This report {what}.",
        hint="Only reports that GitHub signed are taken here: see leaks.github_public_keys_file.",
    )
