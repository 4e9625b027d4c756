"""What each page of the console takes on a full house: in the server, and in a browser until its chart is drawn.

The server's time is measured from beside it, over the loopback interface, on one connection, one request after the
other: what the page's person waits for, without their network; and as the processor time of the server's threads, which
is all there is to it on SQLite, whatever else the machine does. Of that the quickest of the tries counts: others can
only add to it. The browser's is from the navigation until the chart's paths are in the page.
"""

import http.client
import json
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import urlencode

import msgspec

from bench.keyhouse import KEYHOUSE, READY, clean_environment
from bench.processes import CannotRun, Pinned, free_port

SERVER_MS_MAX: Final = 100
"""What a page may take in the server."""

DRAWN_MS_MAX: Final = 1_000
"""And in a browser, until its chart is drawn."""

TIMES: Final = 7
DAYS: Final = 35
CHARTS: Final = ("/usage", "/usage?period=30d", "/performance?period=30d", "/costs?period=30d")
PAGES: Final = (
    *("/api-keys", "/api-keys?page=20", "/api-keys?q=laptop", "/api-keys?status=rotating", "/api-keys?sort=name"),
    *("/usage", "/usage?period=24h", "/usage?period=30d", "/usage?by=project_id&period=30d"),
    *("/usage?by=user_id", "/usage?by=api_key_id", "/usage?by=api_key_id&period=30d"),
    *("/usage?by=user_id&period=24h", "/usage?by=api_key_id&period=24h"),
    *("/performance", "/performance?period=30d", "/performance?period=24h", "/performance?by=api_key_id"),
    *("/costs", "/costs?period=30d", "/costs?by=user_id", "/costs?by=api_key_id", "/costs/statement"),
    *("/calls", "/calls?outcome=errors", "/calls?period=30d"),
    *("/limits", "/limits?q=laptop", "/hygiene", "/hygiene?show=no_expiry", "/hygiene?show=new_network"),
    *("/members", "/audit-log", "/playground", "/quickstart", "/help"),
    *("/api-keys/new", "/limits/new", "/limits/replay", "/members/roles", "/settings/projects", "/settings/ledger"),
)
IN_A_PROJECT: Final = (
    *("/api-keys", "/usage", "/usage?by=api_key_id", "/usage?by=user_id&period=30d", "/costs?by=api_key_id"),
    *("/performance", "/calls", "/limits", "/hygiene"),
)


FOLD_SECONDS_MAX: Final = 900
READ_SECONDS_MAX: Final = 1_800
AUDITED: Final = b"\nkeyhouse_ledger_audited_timestamp_seconds "
COUNT_FOLDED: Final = (
    "SELECT (SELECT count(*) FROM folded_hours), (SELECT count(*) FROM folded_days), "
    "(SELECT count(*) FROM folded_recent_hours), (SELECT count(*) FROM usage_rankings)"
)
IS_FOLDING: Final = "SELECT EXISTS (SELECT * FROM usage_foldings)"


class Took(msgspec.Struct, frozen=True):
    """What a page took: processor time and median in the server, its size, and drawn in a browser if it has a chart."""

    page: str
    status: int
    processor_ms: float
    median_ms: float
    kilobytes: int
    drawn_ms: float | None = None

    @property
    def is_fast(self) -> bool:
        """Whether it keeps to what it may take."""
        return self.status == 200 and self.processor_ms <= SERVER_MS_MAX and (self.drawn_ms or 0) <= DRAWN_MS_MAX


class Visitor:
    """Someone who is signed in, on one connection."""

    def __init__(self, port: int, email: str, password: str) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._cookies: dict[str, str] = {}
        _, _, page = self.ask("/sign-in")
        token = re.search(rb'name="csrf" value="([^"]+)"', page)
        assert token is not None
        fields = {"csrf": token[1].decode(), "email": email, "password": password}
        status, _, _ = self.ask("/sign-in", urlencode(fields))
        if status != 303:
            raise CannotRun(f"the sign-in was answered with {status}")

    @property
    def cookies(self) -> dict[str, str]:
        """What a browser would keep."""
        return self._cookies

    def ask(self, path: str, form: str | None = None) -> tuple[int, float, bytes]:
        """Ask for a page, or send a form: the status, how many milliseconds it took, and the answer."""
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if form is not None:
            headers |= {"content-type": "application/x-www-form-urlencoded", "origin": self.origin}
        began = time.perf_counter()
        self._connection.request("GET" if form is None else "POST", path, form, headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took_ms = (time.perf_counter() - began) * 1_000
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self._cookies[cookie] = content
        return answer.status, took_ms, body


def measure(folder: Path, keys: int, calls: int, say: Callable[[str], None]) -> list[Took]:
    """Every page on a demo organization of this size, which is kept in `folder` for the next time."""
    account = _seeded(folder, keys, calls, say)
    port = free_port()
    serve = [*KEYHOUSE, "serve", "--host", "127.0.0.1", "--port", str(port), "--data", str(folder)]
    with Pinned(None, serve, folder / "keyhouse.log", clean_environment()) as process:
        process.wait_for_port(port, READY)
        _wait_until_folded(folder / "keyhouse.db", say)
        _wait_until_read(port, say)
        visitor = Visitor(port, account["sign in as"], account["password"])
        with _browser(visitor) as draw:
            drawn = {page: median(draw(page) for _ in range(3)) for page in CHARTS}
        return [_took(visitor, process, page, drawn, say) for page in _pages(visitor)]


def _took(visitor: Visitor, server: Pinned, page: str, drawn: dict[str, float], say: Callable[[str], None]) -> Took:
    processor, times = [], []
    for _ in range(TIMES + 1):
        began = server.cpu_ns
        status, took_ms, body = visitor.ask(page)
        processor.append((server.cpu_ns - began) / 1e6)
        times.append(took_ms)
    say(f"{page}: {min(processor[1:]):.0f} ms, {median(times[1:]):.0f} ms by the clock")
    return Took(page, status, min(processor[1:]), median(times[1:]), len(body) // 1024, drawn.get(page))


def _pages(visitor: Visitor) -> list[str]:
    """All of them, those in a project, and those of a key, a call, a member and a project that the lists lead to."""
    linked = [
        _linked(visitor, page, to)
        for page, to in (
            ("/api-keys", "/api-keys/key_"),
            ("/calls", "/calls/call_"),
            ("/members", "/members/user-"),
            ("/settings/projects", "/settings/projects/proj_"),
        )
    ]
    project = linked[-1].rpartition("/")[2]
    return [*PAGES, *(f"{page}{'&' if '?' in page else '?'}project={project}" for page in IN_A_PROJECT), *linked]


def _linked(visitor: Visitor, page: str, to: str) -> str:
    """The first address on a page that begins so."""
    _, _, body = visitor.ask(page)
    found = re.search(rf'href="({re.escape(to)}[^"?/]+)"'.encode(), body)
    if found is None:
        raise CannotRun(f"{page} leads to nothing")
    return found[1].decode()


def _seeded(folder: Path, keys: int, calls: int, say: Callable[[str], None]) -> dict[str, str]:
    """The account of the demo organization in this folder, which is made where there is none."""
    kept = folder / "account.json"
    if not kept.exists():
        say(f"filling {folder} with {calls:,} calls and {keys:,} keys")
        amounts = ["--calls", str(calls), "--keys", str(keys), "--days", str(DAYS)]
        seed = [*KEYHOUSE, "demo", "seed", "--data", str(folder), *amounts, "--json"]
        made = subprocess.run(seed, stdout=subprocess.PIPE, text=True, env=clean_environment(), check=False)
        if made.returncode != 0:
            raise CannotRun("the database could not be filled")
        kept.write_text(made.stdout, encoding="utf-8")
    account: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    return account


def _wait_until_folded(database: Path, say: Callable[[str], None]) -> None:
    """Wait until no more is added up: a server that has just been filled has all hours and days before it."""
    say("waiting until past hours and days are folded")
    deadline = time.perf_counter() + FOLD_SECONDS_MAX
    before = None
    while time.perf_counter() < deadline:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            folded = connection.execute(COUNT_FOLDED).fetchone()
            (is_folding,) = connection.execute(IS_FOLDING).fetchone()
        if folded == before and all(folded) and not is_folding:
            return
        before = folded
        # Who used most in a month is read for a while before it is written.
        time.sleep(30)
    raise CannotRun("past hours and days were not folded in time")


def _wait_until_read(port: int, say: Callable[[str], None]) -> None:
    """Wait until the books were read through, which a gateway does after its start and once a day, for some minutes."""
    say("waiting until all calls were read")
    deadline = time.perf_counter() + READ_SECONDS_MAX
    while time.perf_counter() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read()
        connection.close()
        if AUDITED in metrics:
            return
        time.sleep(10)
    raise CannotRun("the books were not read through in time")


def text(took: list[Took]) -> str:
    """The table."""
    lines = [f"{'page':<40} {'status':>6} {'processor ms':>12} {'median':>8} {'drawn ms':>9} {'KB':>5}"]
    for one in took:
        drawn = "" if one.drawn_ms is None else f"{one.drawn_ms:.0f}"
        mark = "" if one.is_fast else "  SLOW"
        lines.append(
            f"{one.page[:40]:<40} {one.status:>6} {one.processor_ms:>12.1f} {one.median_ms:>8.1f} {drawn:>9} "
            f"{one.kilobytes:>5}{mark}"
        )
    return "\n".join(lines)


@contextmanager
def _browser(visitor: Visitor) -> Iterator[Callable[[str], float]]:
    """A Chromium with the visitor's session: gives the milliseconds until a page's chart is drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies(
            [{"name": name, "value": value, "url": visitor.origin} for name, value in visitor.cookies.items()]
        )
        page = context.new_page()

        def draw(path: str) -> float:
            began = time.perf_counter()
            page.goto(visitor.origin + path, wait_until="commit")
            page.wait_for_function("() => document.querySelectorAll('figure.plot svg path').length > 3")
            return (time.perf_counter() - began) * 1_000

        try:
            yield draw
        finally:
            browser.close()
