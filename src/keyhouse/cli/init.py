"""`keyhouse init`: the first organization, on the database itself, with the server stopped."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from keyhouse import config
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_fields, show_json
from keyhouse.control.setup import SetUp
from keyhouse.core.errors import Code, Refusal
from keyhouse.ground import open_ground
from keyhouse.store.engine import CannotOpen

PASSWORD_BYTES_MAX: Final = 10_000


def init(
    *,
    data: Annotated[Path, Parameter(help="Folder of the database and the master key.")] = Path("data"),
    file: Annotated[Path | None, Parameter(name="--config", help="Configuration; default ./keyhouse.toml.")] = None,
    email: Annotated[str, Parameter(help="The first owner's e-mail address.")],
    organization: Annotated[str, Parameter(help="What the organization is called.")],
    name: Annotated[str, Parameter(show_default=False, help="The owner's own name.")] = "",
    password_stdin: Annotated[bool, Parameter(show_default=False, help="Read the password from stdin.")] = False,
    time_zone: Annotated[str, Parameter(help="Where days and months begin, such as Europe/Berlin.")] = "UTC",
    json: AsJson = False,
) -> None:
    """Set up Keyhouse: organization, owner, default project, and an admin key that is shown this once.

    It works on the database itself, with the server stopped, and ends with 5 if Keyhouse is set up already.
    """
    if not password_stdin:
        raise Failure("the password comes from stdin: add --password-stdin and pipe it in.", Exit.USAGE)
    password = _password()
    try:
        settings = config.load(file, os.environ)
        made = asyncio.run(_establish(settings, data, (email, name), password, organization, time_zone))
    except (config.BadConfiguration, CannotOpen, OSError) as error:
        raise Failure(str(error)) from None
    except Refusal as refusal:
        raise Failure(refusal.text, _status(refusal)) from None
    if json:
        show_json(msgspec.structs.asdict(made))
        return
    show_fields(
        {
            "organization": made.organization_id,
            "project": made.project_id,
            "user": made.user_id,
            "admin key": made.admin_key,
        }
    )
    say("this is the only time the admin key is shown: copy it now, and put it into KEYHOUSE_ADMIN_KEY.")


async def _establish(
    settings: config.Settings, data: Path, owner: tuple[str, str], password: str, organization: str, time_zone: str
) -> SetUp:
    (email, name), ground = owner, await open_ground(settings, data)
    try:
        return await ground.setup.establish(
            organization=organization,
            email=email,
            password=password,
            time_zone=time_zone,
            name=name,
            with_admin_key=True,
        )
    finally:
        await ground.close()


def _password() -> str:
    given = sys.stdin.buffer.read(PASSWORD_BYTES_MAX + 1)
    if len(given) > PASSWORD_BYTES_MAX:
        raise Failure("the password on stdin is too long.", Exit.USAGE)
    try:
        password = given.decode()
    except UnicodeDecodeError:
        raise Failure("the password on stdin is not UTF-8.", Exit.USAGE) from None
    # One line break belongs to the file or to echo, any other to the password.
    return password.removesuffix("\n").removesuffix("\r")


def _status(refusal: Refusal) -> Exit:
    match refusal.code:
        case Code.SETUP_DONE:
            return Exit.CONFLICT
        case Code.PARAMETER_INVALID:
            return Exit.USAGE
        case Code.LEDGER_UNAVAILABLE:
            return Exit.TRY_AGAIN
        case _:
            return Exit.ERROR
