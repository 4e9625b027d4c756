"""What is sealed opens with its key, in its row, unaltered, and nowhere else."""

import pytest

from given import seeded_entropy
from keyhouse.core.keyring import derive
from keyhouse.core.sealing import CannotUnseal, Sealed, SealingKey, seal, unseal

KEY = SealingKey("1", b"k" * 32)
ROW = "upstreams/upstream_1/credential"
SECRET = "sk-upstream-0123456789"


def test_what_is_sealed_is_not_readable_and_opens_again() -> None:
    sealed = seal(SECRET, KEY, ROW, seeded_entropy(1))
    assert SECRET.encode() not in sealed.content
    assert unseal(sealed, KEY, ROW) == SECRET


def test_the_same_is_never_sealed_alike() -> None:
    entropy = seeded_entropy(1)
    assert seal(SECRET, KEY, ROW, entropy).content != seal(SECRET, KEY, ROW, entropy).content


@pytest.mark.parametrize("place", range(12 + len(SECRET) + 16))
def test_every_byte_that_is_altered_is_noticed(place: int) -> None:
    sealed = seal(SECRET, KEY, ROW, seeded_entropy(1))
    altered = bytearray(sealed.content)
    altered[place] ^= 1
    with pytest.raises(CannotUnseal):
        unseal(Sealed(sealed.key_id, bytes(altered)), KEY, ROW)


@pytest.mark.parametrize(
    ("key", "row"),
    [
        (SealingKey("1", b"x" * 32), ROW),
        (SealingKey("2", b"k" * 32), ROW),
        (KEY, "upstreams/upstream_2/credential"),
    ],
)
def test_another_key_or_row_opens_nothing(key: SealingKey, row: str) -> None:
    with pytest.raises(CannotUnseal):
        unseal(seal(SECRET, KEY, ROW, seeded_entropy(1)), key, row)


def test_the_key_is_derived_from_the_master_key_for_nothing_else() -> None:
    keyring = derive(b"m" * 32)
    assert keyring.sealing.secret not in (keyring.pepper, keyring.reset, keyring.audit)
    assert len(keyring.sealing.secret) == 32
    assert keyring.sealing.secret.hex() not in repr(keyring.sealing)
