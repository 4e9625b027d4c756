"""`keyhouse master-key`: another master key in the place of the present one."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from keyhouse import config
from keyhouse.cli.place import wait_for
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_json
from keyhouse.control.master_key import rotate_master_key
from keyhouse.core.errors import Refusal
from keyhouse.store.master_key import make_master_key, read_master_key

master_key_app: Final = App(name="master-key", help="The key to everything that is kept secret in the database.")


@master_key_app.command
def rotate(
    *,
    to: Annotated[Path, Parameter(help="File of the new master key; made, if there is none.")],
    data: Annotated[Path, Parameter(help="Folder of the database and the master key.")] = Path("data"),
    file: Annotated[Path | None, Parameter(name="--config", help="Configuration; default ./keyhouse.toml.")] = None,
    json: AsJson = False,
) -> None:
    """Make the database answer to a new master key, and no longer to the present one.

    API keys, credentials of upstreams and the audit log stay as they are. On SQLite the server has to be stopped. On
    PostgreSQL gateways run on, and need the new file from their next start. Backups from before need the old one.

    For example:

        keyhouse master-key rotate --data data --to new.key && mv new.key data/master.key
    """
    try:
        settings = config.load(file, os.environ)
        present = settings.secrets.master_key_beside(data)
        wait_for(_rotate(settings, data, present, to))
    except (config.BadConfiguration, OSError) as error:
        raise Failure(str(error)) from None
    except Refusal as refusal:
        raise Failure(refusal.text, Exit.CONFLICT) from None
    if json:
        show_json({"object": "master_key.rotated", "file": str(to), "replaces": str(present)})
        return
    say(f"the database answers to {to} now. Put it in the place of {present} for the next start, everywhere.")
    say("then destroy the old one and its copies, but those that older backups of the database need.")


async def _rotate(settings: config.Settings, data: Path, present: Path, to: Path) -> None:
    # It brings the whole of Keyhouse along, which help does not need.
    from keyhouse.ground import open_ground

    ground = await open_ground(settings, data)
    try:
        before = await asyncio.to_thread(read_master_key, present)
        await asyncio.to_thread(make_master_key, to, ground.entropy)
        after = await asyncio.to_thread(read_master_key, to)
        await rotate_master_key(ground.database, before, after, ground.entropy)
    finally:
        await ground.close()
