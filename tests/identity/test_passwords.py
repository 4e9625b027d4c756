"""Passwords: hashed with the costs that were promised, and verified with the same work for nobody."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher, extract_parameters

from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.passwords import LENGTH_MAX, Passwords, acceptable

PASSWORD = "tracks lemon fjord"


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2, thread_name_prefix="hashing") as made:
        yield made


@pytest.fixture
def passwords(executor: ThreadPoolExecutor) -> Passwords:
    return Passwords(executor)


@pytest.mark.asyncio
async def test_only_the_right_password_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash(PASSWORD)
    assert PASSWORD not in stored
    assert await passwords.verify(stored, PASSWORD)
    for wrong in ("", PASSWORD + " ", PASSWORD.upper(), PASSWORD[:-1]):
        assert not await passwords.verify(stored, wrong)


@pytest.mark.asyncio
async def test_the_same_password_is_hashed_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash(PASSWORD) != await passwords.hash(PASSWORD)


@pytest.mark.asyncio
async def test_the_costs_are_64_mib_three_passes_and_four_lanes(passwords: Passwords) -> None:
    costs = extract_parameters(await passwords.hash(PASSWORD))
    assert (costs.type.name, costs.memory_cost, costs.time_cost, costs.parallelism) == ("ID", 65_536, 3, 4)
    assert extract_parameters(passwords._nobodys_hash) == costs


@pytest.mark.asyncio
async def test_nobody_has_no_password(passwords: Passwords) -> None:
    assert not await passwords.verify(None, PASSWORD)
    assert not await passwords.verify(None, "")


@pytest.mark.asyncio
async def test_nobody_takes_as_long_as_somebody(passwords: Passwords) -> None:
    async def fastest_s(password_hash: str | None) -> float:
        durations = []
        for _ in range(3):
            began = time.perf_counter()
            await passwords.verify(password_hash, "wrong wrong wrong")
            durations.append(time.perf_counter() - began)
        return min(durations)

    # Without the dummy verification the ratio is below 0.01.
    assert await fastest_s(None) > 0.3 * await fastest_s(await passwords.hash(PASSWORD))


@pytest.mark.asyncio
async def test_a_broken_hash_verifies_nothing(passwords: Passwords) -> None:
    for broken in ("", "plain", "$argon2id$v=19$m=65536,t=3,p=4$AAAA"):
        assert not await passwords.verify(broken or "x", PASSWORD)


@pytest.mark.asyncio
async def test_hashing_leaves_the_event_loop_for_the_executor_it_was_given(executor: ThreadPoolExecutor) -> None:
    await Passwords(executor).hash(PASSWORD)
    assert any(thread.name.startswith("hashing") for thread in executor._threads)


@pytest.mark.asyncio
async def test_one_character_composed_in_two_ways_is_one_password(passwords: Passwords) -> None:
    stored = await passwords.hash("p\u00e4ris lemon fjord")
    assert await passwords.verify(stored, "pa\u0308ris lemon fjord")


@pytest.mark.asyncio
async def test_a_megabyte_is_neither_hashed_nor_right(passwords: Passwords) -> None:
    longest = "x" * LENGTH_MAX
    stored = await passwords.hash(longest)
    assert await passwords.verify(stored, longest)
    assert not await passwords.verify(stored, longest + "x")
    with pytest.raises(ValueError, match="too long"):
        await passwords.hash("x" * 1_000_000)


@pytest.mark.asyncio
async def test_half_a_character_is_a_wrong_password_and_no_crash(passwords: Passwords) -> None:
    assert not await passwords.verify(await passwords.hash(PASSWORD), "\ud800" * 12)


@pytest.mark.asyncio
async def test_other_costs_are_noticed(passwords: Passwords) -> None:
    assert not passwords.needs_rehash(await passwords.hash(PASSWORD))
    assert passwords.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD))


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "xK9#mP2$vL5q",
        "blue-otter-sings-loud",
        "contest winner lemon",
        "\u043a\u043e\u0442 \u0438\u0434\u0451\u0442 \u043f\u043e \u043b\u0443\u043d\u0435",
        "Tr0ub4dor&3 extra",
        "keyhouse of 9 lemon tracks",
    ],
)
def test_a_password_that_is_hard_to_guess_is_accepted_whatever_it_is_made_of(password: str) -> None:
    acceptable(password, email="ada@example.com", organization="Test")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "12"),
        ("x9#kQ2!mZ7p", "12"),
        ("\u1e9b\u0323" * 5, "12"),
        ("x9#kQ2!mZ7p" * 100, "longer"),
        ("password1234", "common"),
        ("P@ssw0rd1234", "common"),
        ("Correct Horse Battery Staple", "common"),
        ("1q2w3e4r5t6y", "common"),
        ("Summer2024!!!!", "common word"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abcabcabcabc", "repeats"),
        ("xK9#mPxK9#mP", "repeats"),
        ("abcdefghijklm", "sequence"),
        ("mlkjihgfedcba", "sequence"),
        ("123456789012", "sequence"),
        ("qwertyuiop12", "sequence"),
        ("1111222233334444", "sequence"),
        ("keyhouse2026!", "product"),
        ("K3yh0us3 2026!", "product"),
        ("ada.lovelace@example.com1", "e-mail"),
        ("ada lovelace 1", "e-mail"),
        ("acme rockets 2026", "organization"),
        ("Acme-Rockets-12", "organization"),
        ("keyhouse-welcome-password", "easy to guess"),
    ],
)
def test_a_password_that_is_among_the_first_guesses_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(Refusal) as caught:
        acceptable(password, email="ada.lovelace@example.com", organization="Acme Rockets")
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "password")
    assert why in caught.value.message
    assert not password or password not in caught.value.text


def test_a_short_organization_name_inside_other_words_takes_nothing_away() -> None:
    acceptable("a bad mango sat", email="ab@bc.de", organization="a")
