"""`keyhouse demo`: an organization that nobody has, to look at and to measure."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from keyhouse import config
from keyhouse.cli.place import Database
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_fields, show_json
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import CannotOpen

demo_app: Final = App(name="demo", help="A made-up organization, to look at and to measure.")

ALL: Final = 1_000_000
"""How many rows of an hour or a day are written in one transaction: all of them."""

SAID_EVERY: Final = 20
"""How many times of a hundred the command says how far it is."""


@demo_app.command
def seed(
    *,
    data: Annotated[Path, Parameter(help="Folder of the database and the master key.")] = Path("data"),
    database: Database = None,
    calls: Annotated[int, Parameter(help="About how many calls.")] = 40_000,
    keys: Annotated[int, Parameter(help="How many keys.")] = 60,
    days: Annotated[int, Parameter(help="Over how many days up to now.")] = 70,
    seed: Annotated[int, Parameter(help="What is made depends on it and on the clock alone.")] = 1,
    json: AsJson = False,
) -> None:
    """Fill a database with a made-up organization: projects, people, keys, limits, and weeks of calls up to now.

    It works on the database itself, with the server stopped. A database that has calls is left as it is, and the
    command ends with 5. One without an organization gets one, whose owner's password is shown this once. Nobody has
    the secrets of the keys that it makes.

    For example:

        keyhouse demo seed --data demo && keyhouse serve --data demo

        keyhouse demo seed --data big --calls 10000000 --keys 100000

        keyhouse demo seed --database postgresql://keyhouse@127.0.0.1/demo --calls 1000000 --keys 10000 --seed 7
    """
    for name, value, most in (("calls", calls, 100_000_000), ("keys", keys, 10_000_000), ("days", days, 366)):
        if not 1 <= value <= most:
            raise Failure(f"--{name} is {value}; expected 1 to {most}.", Exit.USAGE)
    try:
        show = asyncio.run(_seed(data, database, (calls, keys, days, seed)))
    except (config.BadConfiguration, CannotOpen, OSError) as error:
        raise Failure(str(error)) from None
    except Refusal as refusal:
        raise Failure(refusal.text, Exit.CONFLICT if refusal.code is Code.CONFLICT else Exit.ERROR) from None
    if json:
        show_json(show)
        return
    show_fields(show)


async def _seed(data: Path, url: str | None, amounts: tuple[int, int, int, int]) -> dict[str, object]:
    # They bring the whole of Keyhouse along, which `--help` does not need.
    from keyhouse.demo.history import Rewound
    from keyhouse.demo.names import ORGANIZATION, OWNER, OWNER_NAME, ZONE
    from keyhouse.demo.seed import Plan, refuse_real_calls
    from keyhouse.demo.seed import seed as fill
    from keyhouse.demo.town import DAY_MS, FOUNDED_DAYS
    from keyhouse.ground import SystemClock, open_ground
    from keyhouse.ledger.folding import Folding
    from keyhouse.ledger.ranking import Rankings
    from keyhouse.rounds import add_up

    settings = config.load(None, os.environ)
    if url is not None:
        settings = msgspec.structs.replace(settings, database=config.Database(url=url))
    clock = Rewound(SystemClock())
    ground = await open_ground(settings, data, clock)
    shown: dict[str, object] = {}
    try:
        await refuse_real_calls(ground.database)
        if not await ground.setup.is_done():
            password = ground.entropy(12).hex()
            clock.back_ms = (FOUNDED_DAYS + 1) * DAY_MS
            await ground.setup.establish(
                organization=ORGANIZATION, email=OWNER, password=password, time_zone=ZONE, name=OWNER_NAME
            )
            clock.back_ms = 0
            shown = {"sign in as": OWNER, "password": password}
        made = await fill(ground.database, Plan(*amounts), clock.now_ms(), Progress())
        say("adding up hours and days")
        # What a server does beside its calls, in small steps; here nobody waits for the writer.
        database = ground.database
        await add_up(Folding(database, clock, pause=_no_pause, at_once=ALL), Rankings(database, clock, pause=_no_pause))
    finally:
        await ground.close()
    return {"object": "demo", **msgspec.structs.asdict(made), **shown}


async def _no_pause(_seconds: float) -> None:
    """Nobody else waits."""


class Progress:
    """Says how far it is, now and then."""

    def __init__(self) -> None:
        self._said = 0

    def __call__(self, written: int, whole: int) -> None:
        """So many of so many calls are written."""
        reached = written * SAID_EVERY // whole
        if reached > self._said:
            self._said = reached
            say(f"{written:,} of about {whole:,} calls")
