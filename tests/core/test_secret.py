"""Secrets name their key, catch typing errors, and show nothing of themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from given import seeded_entropy
from keyhouse.core.secret import Kind, digest, mint, mint_key_id, parse, redact

KINDS = st.sampled_from(list(Kind))


@given(KINDS, st.integers())
def test_what_is_minted_can_be_parsed_and_names_its_key(kind: Kind, seed: int) -> None:
    entropy = seeded_entropy(seed)
    secret = mint(kind, mint_key_id(entropy), entropy)
    assert parse(secret.value) == secret


@given(KINDS, st.integers(), st.data())
def test_one_changed_character_is_noticed(kind: Kind, seed: int, data: st.DataObject) -> None:
    entropy = seeded_entropy(seed)
    value = mint(kind, mint_key_id(entropy), entropy).value
    place = data.draw(st.integers(0, len(value) - 1))
    other = data.draw(st.characters().filter(lambda character: character != value[place]))
    assert parse(value[:place] + other + value[place + 1 :]) is None


@given(st.text())
def test_no_text_breaks_parsing_or_redaction(text: str) -> None:
    assert parse(text) is None
    assert len(redact(text)) <= 9


def test_the_form_is_the_published_one() -> None:
    entropy = seeded_entropy(3)
    key_id = mint_key_id(entropy)
    value = mint(Kind.SERVICE_ACCOUNT, key_id, entropy).value
    assert value.startswith(f"sk-svcacct-kh_{key_id.removeprefix('key_')}_")
    assert len(value) == len("sk-svcacct-kh_") + 10 + 1 + 32 + 6


def test_neither_its_text_nor_its_redaction_gives_a_secret_away() -> None:
    entropy = seeded_entropy(4)
    secret = mint(Kind.USER, mint_key_id(entropy), entropy)
    hidden = secret.value[17:-4]
    assert hidden not in repr(secret)
    assert hidden not in str(secret)
    assert redact(secret.value) == f"{secret.value[:10]}...{secret.value[-4:]}"


def test_the_digest_depends_on_the_pepper_and_on_every_character() -> None:
    entropy = seeded_entropy(5)
    value = mint(Kind.USER, mint_key_id(entropy), entropy).value
    assert digest(value, b"a" * 32) != digest(value, b"b" * 32)
    assert digest(value, b"a" * 32) != digest(value[:-1] + "!", b"a" * 32)


@pytest.mark.parametrize("text", ["sk-kh_", "sk-kh_0123456789_" + "a" * 38, "sk-proj-abc"])
def test_wrong_shapes_and_checksums_are_nothing(text: str) -> None:
    assert parse(text) is None
