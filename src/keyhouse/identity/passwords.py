"""Passwords: hashed slowly, verified in the same time whether or not the person exists, and refused if common.

Argon2id with 64 MiB, three passes and four lanes (OWASP's first choice is weaker). Hashing runs on an
executor that the composition root bounds, so that many sign-ins at once cannot take all memory.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.guessable import why_guessable

T = TypeVar("T")

LENGTH_MIN: Final = 12
LENGTH_MAX: Final = 1_024
"""Characters. Longer texts are refused unread, so that nobody can make the server hash a megabyte."""

HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16)

_NOBODYS_SALT_AND_HASH: Final = "GvW3ddR8ONdf/qs06H3rsg$tXFcnXHR8Gs9Wt8MeB8QloMZ3kep1JzvzLbWBUGqv8k"
"""Of a text that was thrown away: verified where there is no person, so that both take as long."""


class Passwords:
    """Hashes and verifies passwords away from the event loop, at the cost that its hasher names."""

    def __init__(self, executor: Executor, hasher: PasswordHasher = HASHER) -> None:
        self._executor = executor
        self._hasher = hasher
        cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        self._nobodys_hash = f"$argon2id$v=19${cost}${_NOBODYS_SALT_AND_HASH}"

    async def hash(self, password: str) -> str:
        """What to store of a password; raises ValueError if it is longer than `LENGTH_MAX`."""
        if len(password) > LENGTH_MAX:
            raise ValueError("the password is too long to be hashed")
        return await self._run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether this is the password. Without a hash the answer is no, and takes as long."""
        text = _normal(password[:LENGTH_MAX])
        is_right = await self._run(lambda: self._is_right(password_hash or self._nobodys_hash, text))
        return is_right and password_hash is not None and len(password) <= LENGTH_MAX

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _is_right(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)


def _normal(password: str) -> bytes:
    """The same bytes for the same characters, however a keyboard composes them (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def acceptable(password: str, *, email: str = "", organization: str = "") -> None:
    """Refuse a password that is too short, too long, or among the first that anyone would try.

    No rules of composition: length is what counts. Raises Refusal(PARAMETER_INVALID, param="password").
    """
    text = unicodedata.normalize("NFKC", password)
    if len(text) < LENGTH_MIN:
        raise _unacceptable(f"The password has {len(text)} characters; it needs at least {LENGTH_MIN}.")
    if len(password) > LENGTH_MAX:
        raise _unacceptable(f"The password is longer than {LENGTH_MAX} characters.")
    why = why_guessable(text, email=email, organization=organization)
    if why is not None:
        raise _unacceptable(f"The password {why}.")


def _unacceptable(message: str) -> Refusal:
    return Refusal(
        Code.PARAMETER_INVALID,
        message,
        hint="Four or five unrelated words, or a password manager's suggestion, are easy to keep and hard to guess.",
        param="password",
    )
