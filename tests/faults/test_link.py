"""The link between gateways and PostgreSQL slow, silent, or cut, also in the middle of a COMMIT."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.wire import post
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.link import AtCommit, Link
from faults.load import Load, some_bodies
from faults.planted import planted
from faults.rounds import seed

CLIENTS: Final = 32
TIGHT: Final = 120
SILENT_SECONDS: Final = 1.5
"""Longer than these gateways wait for a statement, shorter than until they are declared dead."""

IMPATIENT: Final = ("quick-heart", "impatient")


class Linked:
    """Two gateways, the first of which reaches the database through the link, and a load on both."""

    def __init__(self, fleet: Fleet, link: Link, chosen: int) -> None:
        self.fleet = fleet
        self.link = link
        self.random = random.Random(chosen)
        self.bodies = some_bodies(self.random)
        self.chosen = chosen
        self.roomy = fleet.key("roomy", limits=[{"unit": "usd", "window": "month", "amount": "1000"}])
        self.free = fleet.key("free")
        self.tight: dict[str, Any] = fleet.key(
            "tight", limits=[{"unit": "requests", "window": "total", "amount": str(TIGHT)}]
        )
        fleet.witnesses.caps[self.tight["id"]] = TIGHT

    def load(self) -> Load:
        keys = [[self.tight["value"], self.roomy["value"]], [self.roomy["value"]]]
        return Load(self.fleet.urls, self.bodies, keys, clients=CLIENTS, patient=True)

    def problems(self, load: Load) -> list[str]:
        """What must not be once the load has ended and the link is whole again."""
        witnesses = self.fleet.witnesses
        witnesses.answered |= load.answered
        # A gateway tells of the loss of its connection, closes what it could not close, and needs no start for it.
        witnesses.wait_until_none_is_held(20)
        unexpected = {status: count for status, count in load.statuses.items() if status not in (200, 429, 503)}
        found = [f"answered: {unexpected}"] if unexpected else []
        found += [f"broken: a connection to {url} broke" for url, _ in load.broken]
        found += [f"hasty: {reply}" for reply in load.replies if reply.status == 503 and not reply.has_retry]
        return found + witnesses.problems()


@contextmanager
def linked(folder: Path, ground: PostgresGround, names: Sequence[str] = IMPATIENT) -> Iterator[Linked]:
    fleet = Fleet(folder, ground, [planted(*names), planted("quick-heart")])
    assert fleet.first.database is not None
    with Link(fleet.first.database) as link:
        fleet.first.reach(link.through(fleet.first.database))
        with fleet:
            yield Linked(fleet, link, seed())


@pytest.fixture(scope="module")
def pair(postgres_ground: PostgresGround, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    with linked(tmp_path_factory.mktemp("link"), postgres_ground) as made:
        yield made


async def met(pair: Linked, how: AtCommit, times: int) -> Load:
    """A load during which so many COMMITs met their fate, each at a random moment, and which went on after each.

    One whose batch only closed calls proves less, so there are more of them until one has refused a call.
    """
    load = pair.load()
    async with load:
        done = 0
        while done < times or not load.statuses[503]:
            assert done < times + 20, "no reservation was in a batch that was cut"
            done += 1
            await load.until_answered(CLIENTS)
            await asyncio.sleep(pair.random.uniform(0, 0.1))
            pair.link.meet_commit(how)
            await pair.link.until_met()
        await load.until_answered(CLIENTS)
    return load


@pytest.mark.asyncio
@pytest.mark.parametrize("how", list(AtCommit))
async def test_a_call_whose_commit_was_never_answered_is_not_forwarded(pair: Linked, how: AtCommit) -> None:
    load = await met(pair, how, 2)
    assert pair.problems(load) == [], f"KEYHOUSE_FAULTS_SEED={pair.chosen}"


async def refused_alone(pair: Linked, how: AtCommit) -> None:
    """One call to an idle gateway, whose COMMIT meets its fate: its batch shares no row with any other."""
    # Idle is one that has closed the call before: what it had to release until then is done as well.
    assert (await post(pair.fleet.urls[0], pair.bodies[0], pair.roomy["value"])).status == 200
    pair.fleet.witnesses.wait_until_none_is_held()
    pair.link.meet_commit(how)
    reply = await post(pair.fleet.urls[0], pair.bodies[0], pair.free["value"])
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    await pair.link.until_met()


@pytest.mark.asyncio
@pytest.mark.parametrize("how", list(AtCommit))
async def test_a_call_alone_whose_commit_was_never_answered_is_released(pair: Linked, how: AtCommit) -> None:
    await refused_alone(pair, how)
    pair.fleet.witnesses.wait_until_none_is_held()
    rows = pair.fleet.first.calls(pair.free["id"])
    assert {row["state"] for row in rows} <= {"released"}
    assert not {row["id"] for row in rows} & set(pair.fleet.witnesses.seen)
    assert pair.fleet.witnesses.problems() == []


@pytest.mark.asyncio
async def test_a_slow_link_makes_calls_slow_and_nothing_else(tmp_path: Path, postgres_ground: PostgresGround) -> None:
    """Gateways of the usual patience: half a second is not much on a machine that has other work, too."""
    with linked(tmp_path, postgres_ground, ("quick-heart",)) as pair:
        load = pair.load()
        pair.link.latency_seconds = 0.02
        async with load:
            await load.until_answered(3 * CLIENTS)
        pair.link.latency_seconds = 0
        assert not load.statuses[503]
        assert pair.problems(load) == [], f"KEYHOUSE_FAULTS_SEED={pair.chosen}"


@pytest.mark.asyncio
async def test_behind_a_silent_link_calls_are_refused_until_it_speaks_again(pair: Linked) -> None:
    load = pair.load()
    async with load:
        await load.until_answered(CLIENTS)
        pair.link.silence()
        try:
            await load.until(lambda replies: any(r.status == 503 and r.url == pair.fleet.urls[0] for r in replies), "")
            await asyncio.sleep(pair.random.uniform(0, SILENT_SECONDS - 1))
        finally:
            pair.link.speak()
        spoke = len(load.replies)
        await load.until(
            lambda replies: any(r.status == 200 and r.url == pair.fleet.urls[0] for r in replies[spoke:]), "still away"
        )
    assert pair.problems(load) == [], f"KEYHOUSE_FAULTS_SEED={pair.chosen}"


@pytest.mark.asyncio
async def test_a_link_cut_at_any_moment_is_connected_anew(pair: Linked) -> None:
    load = pair.load()
    async with load:
        for _ in range(3):
            await load.until_answered(CLIENTS)
            await asyncio.sleep(pair.random.uniform(0, 0.2))
            pair.link.cut()
        await load.until_answered(CLIENTS)
    assert pair.problems(load) == [], f"KEYHOUSE_FAULTS_SEED={pair.chosen}"


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("how", list(AtCommit))
async def test_of_50_calls_whose_commit_was_never_answered_none_is_forwarded(pair: Linked, how: AtCommit) -> None:
    for place in range(5):
        load = await met(pair, how, 10)
        assert pair.problems(load) == [], f"KEYHOUSE_FAULTS_SEED={pair.chosen}"
        print(f"COMMIT {how.name.lower()}: {10 * place + 10} times")  # noqa: T201


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_gateway_that_forwards_on_a_commit_of_unknown_outcome_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    with linked(tmp_path, postgres_ground, ("quick-heart", "unknown-commit-forwarded")) as pair:
        pair.link.meet_commit(AtCommit.DROPPED)
        await post(pair.fleet.urls[0], pair.bodies[0], pair.free["value"])
        await pair.link.until_met()
        found = pair.fleet.witnesses.problems()
    assert any(problem.startswith("unknown: ") for problem in found), found


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_gateway_that_does_not_lock_its_own_row_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    with linked(tmp_path, postgres_ground, ("quick-heart", "unlocked-instance")) as pair:
        await refused_alone(pair, AtCommit.LATE)
        pair.fleet.witnesses.wait_until_none_is_held(2)
        found = pair.fleet.witnesses.problems()
    assert any(problem.startswith("held: ") for problem in found), found
