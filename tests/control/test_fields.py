"""E-mail addresses and time zones; the other fields are tested where they are used."""

import pytest

from keyhouse.control.fields import read_email, read_name, read_time_zone
from keyhouse.core.errors import Code, Refusal


def test_an_email_address_is_trimmed_and_lower_cased() -> None:
    assert read_email("  Ada.Lovelace@Example.COM ") == "ada.lovelace@example.com"


@pytest.mark.parametrize(
    "text", ["", "ada", "@", "ada@", "@x", "a@b@c", "a b@c", "a@b c", "x" * 251 + "@b.c", "a\x00@b"]
)
def test_what_is_not_shaped_like_an_email_address_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_email(text)
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "email")


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_an_iana_name(name: str) -> None:
    assert read_time_zone(name) == name


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "Europe", "localtime", "Factory", "UTC\x00"])
def test_anything_else_is_no_time_zone(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_time_zone(name)
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "time_zone")


def test_a_refused_name_is_called_by_its_parameter() -> None:
    with pytest.raises(Refusal) as caught:
        read_name("", "organization")
    assert caught.value.param == "organization"
