"""What everything stands on: clock, randomness, an open database, its keys, and how it is set up."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from keyhouse import config
from keyhouse.control.setup import Setup
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.keyring import Keyring
from keyhouse.identity.passwords import Passwords
from keyhouse.store.audit_chains import open_audit_log
from keyhouse.store.engine import Database
from keyhouse.store.master_key import open_keyring
from keyhouse.store.opening import address_of, open_database

HASHING_THREADS: Final = 2
"""Passwords take 64 MiB each while they are hashed; two at a time are enough for people who sign in."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        """Milliseconds that never run backwards."""
        return time.perf_counter_ns() / 1_000_000


@dataclass(frozen=True)
class Ground:
    """What everything stands on: an open database, its keys, and how it is set up."""

    database: Database
    clock: Clock
    entropy: Entropy
    keyring: Keyring
    passwords: Passwords
    setup: Setup

    async def close(self) -> None:
        """Let go of the database."""
        await self.database.close()


async def open_ground(settings: config.Settings, data: Path, clock: Clock | None = None) -> Ground:
    """Open the database and its master key. Raises CannotOpen, with everything untouched.

    `clock` is the machine's unless another one is handed in.
    """
    clock, entropy = clock or SystemClock(), os.urandom
    database = await open_database(settings.database.url or address_of(data), clock, entropy)
    try:
        keyring = await open_keyring(settings.secrets.master_key_beside(data), database, clock, entropy)
        await open_audit_log(database, keyring.audit, clock, entropy)
    except BaseException:
        await database.close()
        raise
    passwords = Passwords(ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="keyhouse-hash"))
    setup = Setup(database, clock, entropy, passwords, keyring.pepper)
    return Ground(database, clock, entropy, keyring, passwords, setup)
