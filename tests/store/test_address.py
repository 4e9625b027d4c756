"""A PostgreSQL address is read as libpq reads it, and shown without what is secret in it."""

import pytest

from keyhouse.store.address import CONNECT_TIMEOUT_SECONDS, is_postgres, read_address, show
from keyhouse.store.engine import CannotOpen

PLAIN = "postgresql://ada@db.example.com:5432/keyhouse"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:hunter2@db.example.com:5432/keyhouse", PLAIN),
        ("postgresql://ada:hunter2@db.example.com:5432/keyhouse?sslmode=require", PLAIN),
        ("postgresql://ada@db.example.com:5432/keyhouse?password=hunter2", PLAIN),
        ("postgresql://ada:hunter2#x@db.example.com:5432/keyhouse", PLAIN),
        ("postgresql://ada:a@hunter2@db.example.com:5432/keyhouse", PLAIN),
        ("postgresql://ada:hunter2/x?y@db.example.com:5432/keyhouse", PLAIN),
        ("postgresql://db1,db2:5433/keyhouse", "postgresql://db1,db2:5433/keyhouse"),
        ("postgresql:///keyhouse?host=/run/postgresql", "postgresql:///keyhouse"),
        ("ada:hunter2", "The database address"),
    ],
)
def test_what_is_shown_holds_no_password(url: str, shown: str) -> None:
    assert show(url) == shown


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_both_schemes_are_read(scheme: str) -> None:
    address = read_address(f"{scheme}://ada:hunter2@db.example.com/keyhouse?sslmode=verify-full&sslrootcert=/ca.pem")
    assert is_postgres(f"{scheme}://")
    assert address.dsn == "postgresql://ada:hunter2@db.example.com/keyhouse?sslmode=verify-full&sslrootcert=%2Fca.pem"
    assert "hunter2" not in repr(address) + str(address)


def test_options_of_libpq_that_the_driver_does_not_know_are_not_sent_to_the_server() -> None:
    address = read_address(f"{PLAIN}?connect_timeout=3&channel_binding=prefer&gssencmode=disable&application_name=x")
    assert address.dsn == PLAIN
    assert address.connect_timeout_seconds == 3
    assert read_address(PLAIN).connect_timeout_seconds == CONNECT_TIMEOUT_SECONDS


def test_patient_connections_wait_for_any_statement_and_hasty_ones_do_not() -> None:
    hasty, patient = (read_address(PLAIN).connect_arguments(is_patient=is_patient) for is_patient in (False, True))
    assert (hasty["command_timeout"], patient["command_timeout"]) == (10.0, None)
    assert hasty["server_settings"]["synchronous_commit"] == patient["server_settings"]["synchronous_commit"] == "on"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://ada:hunter2@db/keyhouse", "is not a PostgreSQL address"),
        ("postgresql://ada:hunter2/x@db/keyhouse", "%2F for /"),
        ("postgresql://ada:x#hunter2@db/keyhouse", "%23 for #"),
        ("postgresql://ada:hunter2@db/keyhouse?channel_binding=require", "channel_binding=require is not supported"),
        ("postgresql://ada:hunter2@db/keyhouse?connect_timeout=soon", "connect_timeout: expected whole seconds"),
    ],
)
def test_what_cannot_be_read_is_refused_without_showing_the_password(url: str, says: str) -> None:
    with pytest.raises(CannotOpen) as caught:
        read_address(url)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
