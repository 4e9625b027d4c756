"""The chain's codes: what each is bound to, and how a head is written down."""

import pytest

from keyhouse.core.chain import BEGINNING, Head, entry_code, head_code, parse_head

KEY = b"k" * 32
FIELDS = [1, "audit_1", "org-1", None, "x"]


def test_an_entrys_code_depends_on_the_key_on_what_stands_before_and_on_every_field() -> None:
    codes = {entry_code(KEY, BEGINNING, FIELDS), entry_code(b"l" * 32, BEGINNING, FIELDS)}
    codes.add(entry_code(KEY, b"before", FIELDS))
    for place in range(len(FIELDS)):
        changed = list(FIELDS)
        changed[place] = "other"
        codes.add(entry_code(KEY, BEGINNING, changed))
    # Nor can what one field says be moved into its neighbour.
    codes.add(entry_code(KEY, BEGINNING, [1, "audit_1org-1", "", None, "x"]))
    assert len(codes) == 4 + len(FIELDS)
    assert entry_code(KEY, BEGINNING, FIELDS) in codes


def test_a_heads_code_is_no_entrys_code_and_another_organizations_is_another() -> None:
    head = Head(3, b"\x01" * 32)
    codes = {
        head_code(KEY, "org-1", head),
        head_code(KEY, "org-2", head),
        head_code(KEY, "org-1", Head(4, b"\x01" * 32)),
    }
    codes.add(entry_code(KEY, b"", ["org-1", str(head)]))
    assert len(codes) == 4


def test_a_head_is_read_as_it_is_printed() -> None:
    for head in (Head(41, bytes(range(32))), Head(0, BEGINNING)):
        assert parse_head(f" {head}\n") == head
    for text in ("", "41", "41:zz", "-1:" + "0" * 64, "41:" + "0" * 63, "1" * 19 + ":" + "0" * 64):
        with pytest.raises(ValueError, match="a head is a number"):
            parse_head(text)
