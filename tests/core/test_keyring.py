"""Each purpose its own key; a root that only its master key unwraps."""

import pytest

from given import seeded_entropy
from keyhouse.core.keyring import derive, fingerprint, unwrap, wrap
from keyhouse.core.sealing import CannotUnseal

ROOT, FIRST, SECOND = (bytes([byte]) * 32 for byte in b"abc")


def test_no_key_stands_in_for_another_and_none_is_shown() -> None:
    keyring = derive(ROOT)
    keys = [keyring.pepper, keyring.audit, keyring.reset, keyring.sealing.secret, fingerprint(ROOT), ROOT]
    assert len(set(keys)) == len(keys)
    assert repr(keyring) == "Keyring(...)"


def test_a_root_is_unwrapped_by_the_master_key_it_was_wrapped_with_and_by_no_other() -> None:
    wrapped = wrap(ROOT, FIRST, seeded_entropy())
    assert ROOT not in wrapped
    assert unwrap(wrapped, FIRST) == ROOT
    for key, content in ((SECOND, wrapped), (FIRST, wrapped[:-1]), (FIRST, b"")):
        with pytest.raises(CannotUnseal):
            unwrap(content, key)
