"""Rounds of load and kill -9, and what must be true after each of them.

A round lets 64 clients call as fast as they can, kills Keyhouse at a random moment, starts it again on the same
books, and compares three witnesses: the upstream's own record, the ledger's rows, and what clients were answered.
One seed decides everything that is random; it is in every report.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from e2e.admin import Admin
from e2e.configuration import a_house
from e2e.processes import KEYHOUSE, House, fake_upstream
from e2e.wire import chat, post

CLIENTS: Final = 64
TIGHT: Final = 150
"""The requests that the tight key may make in all, over every crash."""


def seed() -> int:
    """KEYHOUSE_FAULTS_SEED, or another one each time."""
    given = os.environ.get("KEYHOUSE_FAULTS_SEED")
    return int(given) if given else time.time_ns() % 2**32


class Rounds:
    """A Keyhouse, an upstream that remembers, and what went wrong so far."""

    def __init__(self, folder: Path, chosen_seed: int, serve: Sequence[str] = KEYHOUSE) -> None:
        self._random = random.Random(chosen_seed)
        self.record = folder / "record.txt"
        self.upstream, url = fake_upstream(self.record)
        self.house: House = a_house(folder, url, serve=serve)
        self.answered: set[str] = set()
        self.orphans = 0
        with Admin(self.house) as admin:
            self._roomy = admin.create_key("roomy", limits=[{"unit": "usd", "window": "month", "amount": "1000"}])
            self._tight = admin.create_key(
                "tight", limits=[{"unit": "requests", "window": "total", "amount": str(TIGHT)}]
            )
            admin.limit(("project", admin.project_id), "requests", "minute", "1000000")
            admin.limit(("organization", admin.organization_id), "tokens", "day", "1000000000")

    def end(self) -> None:
        """Stop everything."""
        self.house.kill()
        self.upstream.stop()

    async def round(self) -> list[str]:
        """One round; returns what must not be, in words."""
        await self._load_until_killed(self._random.uniform(0.1, 0.7))
        self.house.start()
        return self.problems()

    def problems(self) -> list[str]:
        """What must not be after a start, in words."""
        rows = {row["id"]: row for row in self.house.rows("SELECT * FROM calls")}
        seen = [line.removeprefix("seen ") for line in self._lines() if line.startswith("seen ")]
        self.orphans = sum(row["state"] == "orphaned" for row in rows.values())
        found = [f"twice: the upstream saw {call} {times} times" for call, times in Counter(seen).items() if times > 1]
        found += [f"unknown: the upstream saw {call}, which has no row" for call in seen if call not in rows]
        found += [f"held: {call} is held by a gateway that died" for call in rows if rows[call]["state"] == "held"]
        found += [
            f"free: the upstream saw {call}, which was released"
            for call in seen
            if call in rows and rows[call]["state"] == "released"
        ]
        found += [f"lost: a client has the answer of {call}, which has no row" for call in self.answered - rows.keys()]
        tight = sum(call in rows and rows[call]["key_id"] == self._tight["id"] for call in seen)
        if tight > TIGHT:
            found.append(f"overspent: {tight} calls of a key that may make {TIGHT} reached the upstream")
        verified = self.house.command("ledger", "verify", "--data", str(self.house.data))
        if verified.status != 0:
            found.append(f"books: {verified.output}{verified.talk}")
        return found

    @property
    def seen(self) -> int:
        """How many calls have reached the upstream."""
        return sum(line.startswith("seen ") for line in self._lines())

    def _lines(self) -> list[str]:
        return self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []

    async def _load_until_killed(self, seconds: float) -> None:
        bodies = [self._body() for _ in range(32)]
        clients = [
            asyncio.create_task(self._client(bodies[place % 32 :] + bodies[: place % 32], tight=place % 4 == 0))
            for place in range(CLIENTS)
        ]
        before, deadline = self.seen, time.monotonic() + 10
        # A round in which nothing was under way proves nothing: its moment is counted from the first calls on.
        while self.seen < before + CLIENTS and time.monotonic() < deadline:  # noqa: ASYNC110  another process's file is polled
            await asyncio.sleep(0.005)
        await asyncio.sleep(seconds)
        self.house.kill()
        await asyncio.gather(*clients)

    async def _client(self, bodies: list[bytes], *, tight: bool) -> None:
        """Call until Keyhouse is gone. Every fourth client uses the tight key too, until it is used up."""
        keys = [self._tight["value"], self._roomy["value"]] if tight else [self._roomy["value"]]
        number = 0
        while True:
            number += 1
            try:
                reply = await post(self.house.url, bodies[number % len(bodies)], keys[number % len(keys)])
            except (OSError, EOFError, AssertionError, IndexError, ValueError):
                return  # killed: refused, reset, or cut off in the middle of an answer
            if reply.status == 200:
                self.answered.add(reply.headers["x-keyhouse-call-id"])

    def _body(self) -> bytes:
        script = {"delay_ms": self._random.choice((0, 0, 2, 10)), "chunks": 5, "chunk_delay_ms": 2}
        streamed = self._random.random() < 0.5
        return json.dumps(chat(max_tokens=20, stream=streamed, script=script)).encode()
