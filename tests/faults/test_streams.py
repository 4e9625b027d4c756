"""Many streams at once through a real server: none is lost, all are settled, and what waits is held upstream."""

import asyncio
import itertools
import json
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from e2e.admin import Admin
from e2e.configuration import a_house
from e2e.processes import KEYHOUSE, Child, House, eventually, fake_upstream
from e2e.wire import Call, call, chat
from faults.fleet import Fleet
from faults.ground import PostgresGround

STREAM_KB_MAX = 100


class Place:
    """Gateways on one database, and a key."""

    def __init__(self, houses: Sequence[House], key: dict[str, str]) -> None:
        self.houses = houses
        self.key = key
        self._turn = itertools.cycle(houses)

    @property
    def memory_kb(self) -> int:
        """What the gateways hold in memory."""
        return sum(_memory_kb(house) for house in self.houses)

    async def open(self, **script: int) -> Call:
        """A stream that has begun, or is about to, at each gateway in turn."""
        body = json.dumps(chat(max_tokens=50, stream=True, script=script)).encode()
        return await call(next(self._turn).url, body, [("authorization", f"Bearer {self.key['value']}")])


def _memory_kb(house: House) -> int:
    assert house.child is not None
    status = Path(f"/proc/{house.child.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[tuple[Child, str]]:
    upstream, url = fake_upstream(tmp_path / "record.txt")
    yield upstream, url
    upstream.stop()


@pytest.fixture
def place(tmp_path: Path, upstream: tuple[Child, str]) -> Iterator[Place]:
    house = a_house(tmp_path, upstream[1])
    with Admin(house) as admin:
        yield Place([house], admin.create_key("streams"))
    house.stop()
    house.verify()


@pytest.fixture
def wide_place(tmp_path: Path, postgres_ground: PostgresGround) -> Iterator[Place]:
    """Two gateways: one may not have as many files open as 10,000 streams take, two for each."""
    with Fleet(tmp_path, postgres_ground, [KEYHOUSE] * 2) as fleet:
        yield Place(fleet.houses, fleet.key("streams"))
        for house in fleet.houses:
            house.stop()
        fleet.first.verify()


@pytest.fixture
def all_files() -> Iterator[None]:
    """As many open files as there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def heard(calling: Call, pieces: int) -> int:
    """How much of a stream came to a good end: 1 if all of it did."""
    try:
        reply = await calling.reply()
    finally:
        calling.hang_up()
    return int(reply.status == 200 and reply.body.count(b"word") == pieces and reply.body.endswith(b"[DONE]\n\n"))


async def many(place: Place, streams: int, pieces: int, delay_ms: int) -> None:
    before_kb = place.memory_kb
    calling: list[Call] = []
    for begin in range(0, streams, 50):
        opening = [place.open(chunks=pieces, chunk_delay_ms=delay_ms) for _ in range(begin, min(begin + 50, streams))]
        calling += await asyncio.gather(*opening)
    hearing = [asyncio.create_task(heard(one, pieces)) for one in calling]
    peak_kb = before_kb
    while not all(task.done() for task in hearing):
        peak_kb = max(peak_kb, place.memory_kb)
        await asyncio.sleep(0.1)
    whole = sum(task.result() for task in hearing)
    each_kb = (peak_kb - before_kb) / streams
    print(f"{streams} streams: {whole} whole, {each_kb:.0f} KB each")  # noqa: T201  soak shows it
    assert whole == streams
    assert each_kb < STREAM_KB_MAX
    rows = await asyncio.to_thread(place.houses[0].calls, place.key["id"])
    assert [(row["state"], row["basis"]) for row in rows] == [("settled", "upstream")] * streams


@pytest.mark.asyncio
async def test_two_hundred_streams_at_once_come_whole_and_are_settled(place: Place) -> None:
    await many(place, 200, pieces=10, delay_ms=50)


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_thousand_paced_streams_for_minutes(place: Place) -> None:
    await many(place, 1_000, pieces=2_400, delay_ms=50)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.usefixtures("all_files")
async def test_ten_thousand_open_idle_streams(wide_place: Place) -> None:
    await many(wide_place, 10_000, pieces=2, delay_ms=60_000)


@pytest.mark.asyncio
async def test_a_client_that_does_not_read_stops_its_upstream_instead_of_filling_memory(
    place: Place, upstream: tuple[Child, str]
) -> None:
    """Each of these upstreams has 200 MB to say."""
    before_kb = place.memory_kb
    calling = [await place.open(chunks=1_000_000) for _ in range(4)]
    for one in calling:
        await one.head()
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.to_thread(eventually, lambda: is_at_rest(upstream[0]), "the upstream is never stopped", 60.0)
    grown_kb = place.memory_kb - before_kb
    for one in calling:
        one.hang_up()
    rows = await asyncio.to_thread(place.houses[0].calls, place.key["id"])
    assert grown_kb < 40_000
    assert [(row["state"], row["flags"]) for row in rows] == [("settled", "client_left")] * 4


def is_at_rest(child: Child) -> bool:
    """Whether a process has nothing to send: it hardly uses its processor for a second."""

    def used() -> int:
        fields = Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(1)
    return used() - before < 20
