"""Fills a database with a demo organization: who is there, then weeks of calls up to now, with true books.

Only a database that has no call is filled: the books of real calls are nothing to play with. Calls come in the order
of their time, some whole hours to a transaction with their rollups and what they count on limits, so that the books
are true at every moment. What is drawn depends on the seed and the clock alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import call_id
from keyhouse.core.money import Price
from keyhouse.core.rollup import HOUR_MS, QUARTER_MS, slot_ms
from keyhouse.demo import answers, history, keys, till, town
from keyhouse.demo.answers import FLAVORS, Answer
from keyhouse.demo.crowd import Crowd, Moment
from keyhouse.demo.history import History
from keyhouse.demo.keys import DemoKey
from keyhouse.demo.rhythm import Hour, hours
from keyhouse.demo.till import Till
from keyhouse.demo.town import DAY_MS, Place, Town
from keyhouse.store import bulk, people, prices
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.refused import RefusedSlot, add_refused

BATCH: Final = 20_000
"""About how many calls are written at once."""

MINUTES_DAYS: Final = 7
"""How far back usage is kept by the minute, as the configuration has it where nobody says otherwise."""

SOURCE: Final = "demo"
_STOPS_BEFORE_NOW_MS: Final = 60_000
_TROUBLE: Final = range(150 * HOUR_MS, 153 * HOUR_MS)
"""How long ago the upstreams had a bad time."""

CALL_COLUMNS: Final = (
    *("id", "request_id", "created_at_ms", "rollup_at_ms", "closed_at_ms", "period_ids"),
    *keys.CALLER_COLUMNS,
    *answers.COLUMNS,
)

Say = Callable[[int, int], None]
"""Told how many calls have been written, of how many."""


class Plan(msgspec.Struct, frozen=True):
    """How much is made: calls, keys, days of calls up to now, the seed of all that is drawn, and whether there are
    limits, on a few of which some keys then run out.
    """

    calls: int = 40_000
    keys: int = 60
    days: int = 70
    seed: int = 1
    with_limits: bool = True


class Seeded(msgspec.Struct, frozen=True):
    """What was made."""

    organization_id: str
    projects: int
    users: int
    keys: int
    calls: int


async def refuse_real_calls(database: Database) -> None:
    """Raise Refusal(CONFLICT) if there is a call of anybody's in the database."""
    if await database.read(bulk.has_calls):
        raise Refusal(
            Code.CONFLICT,
            "This database has calls, so nothing was filled in.",
            hint="Give the demo a database of its own, such as --data demo.",
        )


async def seed(database: Database, plan: Plan, now_ms: int, say: Say) -> Seeded:
    """Fill the first organization. Raises Refusal(CONFLICT) where there are calls, NOT_FOUND without organization."""
    await refuse_real_calls(database)
    draw = Random(plan.seed)
    organization, owner = await database.read(_first)
    place = Place(organization.id, owner.user_id)
    zone = ZoneInfo(organization.time_zone)
    there = town.build(place, plan.keys, now_ms, draw)
    made = keys.build(place, there, plan.keys, now_ms, draw)
    crowd = Crowd(made.keys, draw)
    priced = await database.write(lambda connection: _prices(connection, now_ms))
    decks = [answers.deck(flavor, priced[at], draw) for at, flavor in enumerate(FLAVORS)]
    troubled = [answers.deck(flavor, priced[at], draw, trouble=True) for at, flavor in enumerate(FLAVORS)]
    limits = Till(zone, await database.read(bulk.get_next_period_id))
    if plan.with_limits:
        monthly = _monthly(place, made.keys, crowd, plan, decks)
        limits.set_limits(place, there, made.keys, monthly, now_ms, draw)
    past = history.build(place, owner.email, there, made, limits, now_ms, Random(f"{plan.seed} history"))
    actor = Actor("system", place.organization_id, place.owner_id, owner.email, owner.role)
    await database.change(actor, lambda change: _settle_in(change, there, made, limits, past))
    dealer = _Dealer(place, limits, zone, (decks, troubled), now_ms, draw)
    end_ms = now_ms - _STOPS_BEFORE_NOW_MS
    written = 0
    for batch in _batches(hours(end_ms - plan.days * DAY_MS, end_ms, plan.calls, zone)):
        rows = dealer.deal([moment for hour in batch for moment in crowd.moments(hour)])
        with_minutes = batch[-1].ends_ms > now_ms - MINUTES_DAYS * DAY_MS
        write = partial(_write, limits=limits, rows=rows, refused=dealer.refused, with_minutes=with_minutes)
        await database.write(write)
        limits.new_periods, limits.counted, dealer.refused = [], {}, {}
        written += len(rows)
        say(written, plan.calls)
    await database.write(lambda connection: bulk.update_last_used(connection, dealer.last_used_ms))
    return Seeded(place.organization_id, len(there.project_ids), len(there.people), len(made.keys), written)


def _first(connection: Connection) -> tuple[people.Organization, people.Member]:
    organization = people.find_first_organization(connection)
    if organization is None:
        raise Refusal(Code.NOT_FOUND, "There is no organization to fill.", hint="Run `keyhouse init` first.")
    owner = next(one for one in people.list_members(connection, organization.id) if one.role == "owner")
    return organization, owner


def _prices(connection: Connection, now_ms: int) -> list[Price]:
    return [
        prices.get_price(connection, flavor.model, flavor.upstream, Price(0, (flavor.rate,)), SOURCE, now_ms)
        for flavor in FLAVORS
    ]


def _settle_in(change: Change, there: Town, made: keys.Keys, limits: Till, past: History) -> None:
    """Write who is there, and what the log says of it."""
    connection = change.connection
    for table, (columns, rows) in there.rows.items():
        bulk.insert_rows(connection, table, columns, rows)
    bulk.insert_rows(connection, "api_keys", keys.KEY_COLUMNS, made.rows)
    bulk.insert_rows(connection, "key_secrets", keys.SECRET_COLUMNS, made.secrets)
    bulk.insert_rows(connection, "limits", till.LIMIT_COLUMNS, limits.rows)
    for user_id, at_ms in past.signed_in_ms.items():
        people.update_last_sign_in(connection, user_id, at_ms)
    change.keep(past.entries)


def _write(
    connection: Connection, *, limits: Till, rows: bulk.Rows, refused: Mapping[RefusedSlot, int], with_minutes: bool
) -> None:
    bulk.insert_rows(connection, "limit_periods", till.PERIOD_COLUMNS, limits.new_periods)
    if limits.new_periods:
        bulk.update_period_sequence(connection)
    bulk.insert_rows(connection, "calls", CALL_COLUMNS, rows)
    if rows:
        first_id, last_id = str(rows[0][0]), str(rows[-1][0])
        bulk.insert_hours(connection, first_id, last_id)
        if with_minutes:
            bulk.insert_minutes(connection, first_id, last_id)
    bulk.update_settled(connection, limits.counted)
    if refused:
        add_refused(connection, refused)


def _batches(all_hours: Iterable[Hour]) -> Iterator[list[Hour]]:
    """Whole hours together, of about `BATCH` calls."""
    batch: list[Hour] = []
    count = 0
    for hour in all_hours:
        batch.append(hour)
        count += hour.by_people + hour.by_machines
        if count >= BATCH:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _monthly(
    place: Place, made: Iterable[DemoKey], crowd: Crowd, plan: Plan, decks: list[list[Answer]]
) -> dict[str, int]:
    """About what each scope spends in a month, in nano-USD, by its id."""
    mean = [sum(one.counted[0] for one in deck) / len(deck) for deck in decks]
    shares = crowd.shares()
    spent: dict[str, int] = {}
    for key in made:
        calls = shares.get(key.id, 0.0) * plan.calls * 30 / plan.days
        cost = round(calls * sum(mean[at] for at in key.flavors) / len(key.flavors))
        for scope in (key.id, key.owner.id, key.owner.project_id, place.organization_id):
            spent[scope] = spent.get(scope, 0) + cost
    return spent


class _Dealer:
    """Turns moments into rows of calls."""

    def __init__(
        self,
        place: Place,
        limits: Till,
        zone: ZoneInfo,
        decks: tuple[list[list[Answer]], list[list[Answer]]],
        now_ms: int,
        draw: Random,
    ) -> None:
        self.last_used_ms: dict[str, int] = {}
        self.refused: dict[RefusedSlot, int] = {}
        self._place = place
        self._limits = limits
        self._zone = zone
        self._decks = decks
        self._now_ms = now_ms
        self._draw = draw
        self._slot: tuple[int, int] = (-1, 0)

    def deal(self, moments: Iterable[Moment]) -> list[tuple[object, ...]]:
        """A row for each of these that its limits admit, in the order of their ids."""
        rows = []
        draw, limits, organization_id = self._draw.random, self._limits, self._place.organization_id
        for at_ms, key in moments:
            plain, troubled = self._decks
            deck = (troubled if self._now_ms - at_ms in _TROUBLE else plain)[
                key.flavors[int(draw() * len(key.flavors))]
            ]
            answer = deck[int(draw() * len(deck))]
            period_ids, periods = limits.counting(key, organization_id, at_ms)
            if not limits.admits(periods, answer):
                self._refuse(at_ms, key, answer)
                continue
            random = self._draw.randbytes(10)
            row_id = call_id(at_ms, random)
            callers = key.callers_at(at_ms)
            caller = callers[int(draw() * len(callers))]
            closed_ms = min(at_ms + answer.duration_ms, self._now_ms)
            times = (at_ms, self._rollup_ms(at_ms), closed_ms, period_ids)
            rows.append((row_id, f"req_{random.hex()}{at_ms:012x}", *times, *caller, *answer.row))
            self.last_used_ms[key.id] = at_ms
        # Of one millisecond the random bits decide.
        rows.sort(key=_id_of)
        return rows

    def _refuse(self, at_ms: int, key: DemoKey, answer: Answer) -> None:
        who = self._place.organization_id, key.owner.project_id, key.owner.id, key.id
        model, upstream, endpoint = map(str, answer.row[:3])
        slot = RefusedSlot(self._rollup_ms(at_ms), *who, model, upstream, endpoint)
        self.refused[slot] = self.refused.get(slot, 0) + 1

    def _rollup_ms(self, at_ms: int) -> int:
        quarter = at_ms // QUARTER_MS
        if quarter != self._slot[0]:
            self._slot = quarter, slot_ms(at_ms, self._zone)
        return self._slot[1]


def _id_of(row: tuple[object, ...]) -> str:
    return str(row[0])
