"""Killed at every named point of a call, whole or streamed, on both engines: what the call's row must be then."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from e2e.processes import House, Row, eventually
from e2e.wire import chat, post
from faults.crash_points import POINTS
from faults.fleet import Fleet
from faults.ground import Ground
from faults.load import UNHEARD
from faults.planted import planted

OUTPUT_TOKENS: Final = 5
CRASHES: Final = 2
"""The call that is killed; the one before it has shown that the gateway works."""

TIMES: Final = 4
"""How often each point is met in the long form."""


class End(NamedTuple):
    """What must become of a call that was cut off: its row's state, and whether the upstream saw it."""

    state: str
    is_seen: bool


ENDS: Final = {
    "after-reserve-commit": End("orphaned", is_seen=False),
    "before-send": End("orphaned", is_seen=False),
    "after-first-byte": End("orphaned", is_seen=True),
    "after-usage": End("orphaned", is_seen=True),
    "before-settle-commit": End("orphaned", is_seen=True),
    "after-settle-commit": End("settled", is_seen=True),
}


def test_every_point_has_its_end() -> None:
    assert list(ENDS) == list(POINTS)


class Crashes:
    """A gateway that is started again and again, each time to be killed at another point."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._key: dict[str, Any] | None = None
        self._known: set[str] = set()

    @property
    def house(self) -> House:
        return self._fleet.first

    async def crash(self, point: str, *, is_streamed: bool) -> Row:
        """Call until the gateway dies, start it again, to be killed at no point; the row of the call it died in."""
        house = self.house
        house.serve_by(planted("quick-heart", f"{point}:{CRASHES}"))
        house.start()
        if self._key is None:
            self._key = self._fleet.roomy_key()
        assert house.child is not None
        body = chat(max_tokens=20, stream=is_streamed, script={"completion_tokens": OUTPUT_TOKENS})
        for _ in range(CRASHES):
            try:
                reply = await post(house.url, json.dumps(body).encode(), self._key["value"])
            except UNHEARD:
                break
            self._fleet.witnesses.answered.add(reply.headers["x-keyhouse-call-id"])
        eventually(lambda: house.child is None or house.child.process.poll() is not None, f"{point} was not reached")
        house.kill()
        return self._last()

    def _last(self) -> Row:
        new = [row for call, row in self._fleet.witnesses.rows().items() if call not in self._known]
        self._known |= {row["id"] for row in new}
        *before, last = sorted(new, key=lambda row: str(row["id"]))
        assert [row["state"] for row in before] == ["settled"]
        return last

    def closed(self, call_id: str) -> Row:
        """The row of that call, once a gateway runs again and has closed it."""
        self._fleet.witnesses.wait_until_none_is_held()
        assert self._fleet.witnesses.problems() == []
        return self._fleet.witnesses.rows()[call_id]


def is_as_it_must_be(row: Row, point: str, seen: list[str]) -> None:
    end = ENDS[point]
    assert (row["state"], row["id"] in seen) == (end.state, end.is_seen), point
    if end.state == "settled":
        assert (row["basis"], row["output_tokens"]) == ("upstream", OUTPUT_TOKENS)
        assert 0 < row["charged_nano_usd"] < row["reserved_nano_usd"]
    else:
        assert (row["basis"], row["flags"]) == ("reserved", "orphaned")
        assert row["charged_nano_usd"] == row["reserved_nano_usd"] > 0


async def crash_everywhere(folder: Path, ground: Ground, plan: list[tuple[str, bool]]) -> None:
    fleet = Fleet(folder, ground)
    crashes = Crashes(fleet)
    try:
        cut: list[tuple[str, str]] = []
        for point, is_streamed in plan:
            row = await crashes.crash(point, is_streamed=is_streamed)
            is_closed = point == "after-settle-commit"
            assert row["state"] == ("settled" if is_closed else "held"), point
            cut.append((point, row["id"]))
        fleet.first.serve_by(planted("quick-heart"))
        fleet.start()
        for point, call_id in cut:
            is_as_it_must_be(crashes.closed(call_id), point, fleet.witnesses.seen)
    finally:
        fleet.end()


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_killed_at_each_point_a_call_ends_as_it_must(tmp_path: Path, ground: Ground) -> None:
    """Every other point in the middle of a stream; the other half on the other engine, all of them in the long form."""
    is_odd = ground.name == "sqlite"
    await crash_everywhere(tmp_path, ground, [(point, place % 2 == is_odd) for place, point in enumerate(POINTS)])


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_killed_at_each_point_again_and_again_a_call_ends_as_it_must(
    tmp_path: Path, ground: Ground, is_streamed: bool
) -> None:
    for time in range(TIMES):
        folder = tmp_path / str(time)
        folder.mkdir()
        await crash_everywhere(folder, ground, [(point, is_streamed) for point in POINTS])
        print(f"{ground.name}, {'streamed' if is_streamed else 'whole'}: all points, {time + 1} times")  # noqa: T201
