"""GitHub's signature, and the keys that it is told by."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.leak_signatures import read_signatures

# The example that GitHub's documentation gives: its key, and what was signed with it.
GITHUBS = (
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\n"
    "kCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----\n"
)
BODY = b'[{"token":"some_token","type":"some_type","url":"some_url"}]'
SIGNED = b"MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc="


def published(**keys: EllipticCurvePrivateKey | Ed25519PrivateKey) -> str:
    """These keys as GitHub publishes its own."""
    pems = {
        name: key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        for name, key in keys.items()
    }
    rows = [{"key_identifier": name, "key": pem, "is_current": True} for name, pem in pems.items()]
    return msgspec.json.encode({"public_keys": rows}).decode()


def signed(key: EllipticCurvePrivateKey, body: bytes) -> str:
    """The header for this body."""
    return base64.b64encode(key.sign(body, ECDSA(SHA256()))).decode()


def test_githubs_own_example_is_told_from_one_that_was_altered() -> None:
    signatures = read_signatures(
        msgspec.json.encode({"public_keys": [{"key_identifier": "a", "key": GITHUBS}]}).decode()
    )
    signatures.require([b"a"], [SIGNED], BODY)
    for identifiers, values, body in (
        ([b"b"], [SIGNED], BODY),
        ([b"a"], [SIGNED], BODY.replace(b"some_url", b"some_uri")),
        ([b"a"], [SIGNED[:-8] + SIGNED[-4:]], BODY),
        ([b"a"], [b""], BODY),
        ([b"a", b"a"], [SIGNED], BODY),
        ([b"a"], [SIGNED, SIGNED], BODY),
        ([], [], BODY),
    ):
        with pytest.raises(Refusal) as refused:
            signatures.require(identifiers, values, body)
        assert refused.value.code is Code.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "public_keys"),
        ("[", "in JSON"),
        ('{"public_keys": []}', "at least one"),
        ('{"public_keys": [{"key_identifier": "a", "key": "x"}]}', "not in PEM"),
        (published(a=generate_private_key(SECP384R1())), "P-256"),
        (published(a=Ed25519PrivateKey.generate()), "P-256"),
        (published(a=generate_private_key(SECP256R1()), b=generate_private_key(SECP384R1())), "P-256"),
    ],
)
def test_keys_that_are_none_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_signatures(text)
