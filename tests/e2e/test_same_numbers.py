"""Each chart, its table, its CSV and the API give the same numbers.

A made-up organization with weeks of calls, seen in a real browser. The API is asked hour by hour and added up here, in
the organization's own days, so that no sum of the console's is compared with itself.
"""

import csv
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx
import pytest
from playwright.sync_api import Browser, expect

from e2e.browsing import Visitor
from e2e.processes import PASSWORD, House

pytestmark = pytest.mark.timeout(300)

ZONE: Final = ZoneInfo("America/New_York")
KINDS: Final = ("completions", "embeddings")
"""Of usage, as the API tells them apart: the made-up calls are of both."""

DAYS: Final = 32
"""Of calls; so the present month is among them from its first day on."""

GROUPS: Final = ("model", "api_key_id", "user_id", "project_id")
MEASURES: Final = ("requests", "input", "cached", "output", "cost")
COLUMNS: Final = ("requests", "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd")
"""The measures by the names that the CSV has for them."""

DRAWN: Final = {
    "first-token-plot": {"Median": 2, "p95": 3},
    "answer-plot": {"Median": 4, "p95": 5},
    "speed-plot": {"Tokens a second": 6},
}
"""The lines of the charts of performance, and in which column of the table they stand."""

TABLES: Final = """() => [...document.querySelectorAll("table")].map(table => [
  table.caption.textContent, [...table.rows].map(row => [...row.cells].map(cell => cell.textContent.trim()))])"""

Used = dict[str, Counter[str]]
"""What each group used, by measure; the cost in nano-USD."""


class Page(NamedTuple):
    """What a page shows: the data of its charts by their ids, and its tables by their captions."""

    plots: dict[str, Any]
    tables: dict[str, list[list[str]]]


class World(NamedTuple):
    """A house with weeks of calls, its owner at a desk, and an administrator."""

    visitor: Visitor
    client: httpx.Client
    names: dict[str | None, str]

    def see(self, path: str) -> Page:
        """Open a page and read all of it, when its charts are drawn."""
        page = self.visitor.see(path)
        data = page.locator("script[type='application/json']").all()
        plots = {str(one.get_attribute("id")): json.loads(one.text_content() or "") for one in data}
        return Page(plots, dict(page.evaluate(TABLES)))

    def sheet(self, path: str) -> list[list[str]]:
        """A CSV, by the address that the page gives it; its heads come first."""
        answer = self.visitor.context.request.get(path)
        assert answer.ok, path
        return list(csv.reader(io.StringIO(answer.text())))

    def rows(self, path: str) -> list[dict[str, str]]:
        """A CSV's rows by the names of their columns."""
        heads, *lines = self.sheet(path)
        return [dict(zip(heads, line, strict=True)) for line in lines]

    def results(self, path: str, days: Sequence[date], group: str, width: str) -> Iterator[tuple[datetime, Any]]:
        """Every result that the API has for these days, page after page, with the start of its bucket."""
        query: dict[str, Any] = {"bucket_width": width, "group_by": group, "limit": 168}
        query |= {"start_time": _second(days[0]), "end_time": _second(days[-1] + timedelta(days=1))}
        more = True
        while more:
            page = self.client.get(path, params=query).raise_for_status().json()
            more, query["page"] = page["has_more"], page["next_page"]
            for bucket in page["data"]:
                for result in bucket["results"]:
                    yield datetime.fromtimestamp(bucket["start_time"], ZONE), result

    def used(self, days: Sequence[date], group: str, part: Callable[[datetime], str] | None = None) -> Used:
        """What the API says that each group used in these days, or all of them in each part of the time."""
        used: Used = defaultdict(Counter)
        for kind in KINDS:
            for start, result in self.results(f"usage/{kind}", days, group, "1h"):
                name = self.names.get(result[group], str(result[group])) if part is None else part(start)
                used[name].update(
                    requests=result["num_model_requests"],
                    input=result["input_tokens"],
                    cached=result.get("input_cached_tokens") or 0,
                    output=result.get("output_tokens") or 0,
                    cost=int(Decimal(result["cost"]["decimal"]) * 10**9),
                )
        return {name: sums for name, sums in used.items() if any(sums.values())}


@pytest.fixture(scope="module")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    house = House(tmp_path_factory.mktemp("numbers"))
    house.init(time_zone=str(ZONE))
    amounts = ("--calls", "3000", "--keys", "9", "--days", str(DAYS))
    house.command("demo", "seed", "--data", str(house.data), *amounts, "--json").json  # noqa: B018  it has to succeed
    names: dict[str | None, str] = {None: ""}
    for table in ("api_keys", "projects", "service_accounts", "users"):
        names |= {row["id"]: row["name"] for row in house.rows(f"SELECT id, name FROM {table}")}  # noqa: S608
    house.start()
    api = httpx.Client(
        base_url=f"{house.url}/v1/organization",
        headers={"authorization": f"Bearer {house.established['admin_key']}"},
        timeout=30,
    )
    with Visitor(browser, house.url) as visitor, api as client:
        visitor.sign_in("ada@example.com", PASSWORD)
        yield World(visitor, client, names)
        assert visitor.complaints == []
    house.stop()


def test_of_usage(world: World) -> None:
    days = last_days(7)
    for group in GROUPS:
        used = world.used(days, group)
        for measure in MEASURES if group == "model" else ("cost",):
            query = f"period=7d&by={group}&measure={measure}"
            page = world.see(f"/usage?{query}")
            assert page.plots.keys() == {"plot-data"}
            (_, *lines, whole), (heads, *by_day) = page.tables.values()
            sums = Counter[str]()
            for found in used.values():
                sums.update(found)

            # its table, group by group and as a whole
            assert sorted(line[0] for line in lines) == sorted(used)
            for name, cells, found in [*((one[0], one[1:], used[one[0]]) for one in lines), ("", whole[1:], sums)]:
                for cell, column in zip(cells, ("requests", "input", "cached", "output", "", "cost"), strict=False):
                    assert not column or shows(cell, found[column]), (group, name, column, cell, found)

            # its CSV
            listed = {row[group]: row for row in world.rows(f"/usage.csv?{query}")}
            assert {name: tuple(number(row[column]) for column in COLUMNS) for name, row in listed.items()} == {
                name: tuple(found[column] for column in MEASURES) for name, found in used.items()
            }

            # its chart, bar by bar, beside the days as a table
            plot = page.plots["plot-data"]
            is_money = measure == "cost"
            of_days = world.used(days, group, lambda start: f"{start.day} {start:%b}")
            assert plot["labels"] == [row[0] for row in by_day] == [f"{day.day} {day:%b}" for day in days]
            assert [one["name"] for one in plot["series"]] == heads[1:-1]
            for at, (label, *cells, of_day) in enumerate(by_day):
                bars = [series["values"][at] for series in plot["series"]]
                assert all(shows(cell, drawn(bar, is_money=is_money)) for cell, bar in zip(cells, bars, strict=True))
                assert shows(of_day, of_days.get(label, Counter())[measure])
                assert sum(drawn(bar, is_money=is_money) for bar in bars) == of_days.get(label, Counter())[measure]


def test_of_costs(world: World) -> None:
    days = last_days(DAYS + 2)
    period = f"period=custom&first={days[0]}&last={days[-1]}"
    for group in GROUPS:
        used = {name: found["cost"] for name, found in world.used(days, group).items()}
        page = world.see(f"/costs?{period}&by={group}")
        assert page.plots.keys() == {"cost-plot", "month-plot"}
        (_, *lines, whole), (_, *by_day), (_, *of_month) = page.tables.values()
        assert {line[0] for line in lines} == set(used)
        assert all(shows(line[1], used[line[0]]) for line in lines)
        assert shows(whole[1], sum(used.values()))

        # OpenAI's costs, by days of UTC, which all of them together are, too
        if group != "model":
            billed = Counter[str]()
            for _, result in world.results("costs", days, group, "1d"):
                billed[world.names[result[group]]] += int(Decimal(result["amount"]["decimal"]) * 10**9)
            assert billed == used

        listed: dict[str, Counter[str]] = defaultdict(Counter)
        for row in world.rows(f"/costs.csv?{period}&by={group}"):
            listed["day"][row["day"]] += number(row["cost_usd"])
            listed["group"][row[group]] += number(row["cost_usd"])
        assert listed["group"] == used
        of_days = {
            day: found["cost"]
            for day, found in world.used(days, group, lambda start: f"{start:%A} {start.day} {start:%b}").items()
        }
        assert listed["day"] == of_days

        plot = page.plots["cost-plot"]
        for at, (title, (_, *cells, of_day)) in enumerate(zip(plot["titles"], by_day, strict=True)):
            bars = [drawn(series["values"][at], is_money=True) for series in plot["series"]]
            assert all(shows(cell, bar) for cell, bar in zip(cells, bars, strict=True))
            assert sum(bars) == of_days.get(title, 0)
            assert shows(of_day, sum(bars))

        # the month, added up
        spent = next(series["values"] for series in page.plots["month-plot"]["series"] if series["name"] == "Spent")
        month = [day for day in days if day.month == days[-1].month and day.year == days[-1].year]
        paid = [of_days.get(f"{day:%A} {day.day} {day:%b}", 0) for day in month]
        assert [drawn(value, is_money=True) for value in spent] == [sum(paid[: at + 1]) for at in range(len(paid))]
        for value, line in zip(spent, of_month, strict=False):
            assert shows(line[2], drawn(value, is_money=True))


def test_of_a_months_statement(world: World) -> None:
    today = last_days(1)[0]
    days = [today.replace(day=1) + timedelta(days=at) for at in range(today.day)]
    used = world.used(days, "model")
    ((_, *lines),) = world.see(f"/costs/statement?month={today:%Y-%m}").tables.values()
    sheet = world.rows(f"/costs/statement.csv?month={today:%Y-%m}")
    models = [line for line in lines if line[1] != "All models"]
    assert [[number(cell) for cell in line[2:]] for line in models] == [
        [number(row[name]) for name in COLUMNS] for row in sheet
    ]
    billed: Used = defaultdict(Counter)
    for row in sheet:
        billed[row["model"]].update({name: number(row[column]) for name, column in zip(MEASURES, COLUMNS, strict=True)})
    assert billed == used
    (whole,) = [line for line in lines if line[0] == "All projects"]
    assert [number(cell) for cell in whole[2:]] == [sum(found[name] for found in used.values()) for name in MEASURES]


def test_of_performance(world: World) -> None:
    days = last_days(7)
    used = world.used(days, "model")
    page = world.see("/performance?period=7d&by=model")
    (_, *lines, whole), (_, *by_day) = page.tables.values()
    assert {line[0]: number(line[1]) for line in lines} == {name: found["requests"] for name, found in used.items()}
    assert number(whole[1]) == sum(found["requests"] for found in used.values())
    _, *sheet = world.sheet("/performance.csv?period=7d&by=model")
    assert sheet == [*lines, whole]
    for plot, of_series in DRAWN.items():
        for series in page.plots[plot]["series"]:
            cells = [line[of_series[series["name"]]] for line in by_day]
            assert any(value is not None for value in series["values"])
            assert all(measures(cell, value) for cell, value in zip(cells, series["values"], strict=True))


def test_a_bar_tells_the_number_of_its_day(world: World) -> None:
    _, (_, *by_day) = world.see("/usage?period=7d&measure=requests").tables.values()
    page = world.visitor.page
    canvas = page.locator(".plot svg").first
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator(".plot-tip .whole-line span")
    expect(tip.first).to_be_visible()
    title, shown = tip.all_text_contents()[-2:]
    of_days = {row[0]: number(row[-1]) for row in by_day}
    assert shown == f"{of_days[re.sub('^[A-Za-z]+ ', '', title)]}"


def last_days(count: int) -> list[date]:
    """So many days up to today, where the organization is."""
    today = datetime.now(ZONE).date()
    return [today - timedelta(days=back) for back in reversed(range(count))]


def _second(day: date) -> int:
    """The second with which a day begins there."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp())


def number(text: str) -> int:
    """A count, or an amount of USD in nano-USD, to its last digit."""
    plain = Decimal(text.replace(",", "").lstrip("$"))
    return int(plain * 10**9) if "." in text else int(plain)


def drawn(value: float | None, *, is_money: bool) -> int:
    """What the height of a bar means: USD in nano-USD."""
    return round((value or 0) * 10**9) if is_money else int(value or 0)


def shows(cell: str, value: int) -> bool:
    """Whether a cell says this; money is rounded to the digits that it has."""
    if not cell.startswith("$"):
        return cell == f"{value:,}" or (cell == "under $0.000001" and 0 < value < 1000)
    plain = Decimal(cell[1:].replace(",", ""))
    return plain == (Decimal(value) / 10**9).quantize(plain, rounding=ROUND_HALF_UP)


def measures(cell: str, value: float | None) -> bool:
    """Whether a cell says this time in milliseconds, or this rate, as exactly as it says it."""
    if value is None:
        return cell == "–"  # noqa: RUF001  a dash for nothing
    amount, _, unit = cell.partition(" ")
    shown = Decimal(amount) * (1000 if unit == "s" else 1)
    digits = len(amount.partition(".")[2])
    return abs(shown - Decimal(value)) <= Decimal(10) ** -digits * (1000 if unit == "s" else 1) / 2
