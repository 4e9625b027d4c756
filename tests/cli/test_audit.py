"""`keyhouse audit`: what its script tells, and verifying a database with its master key."""

import asyncio
import json
import os
from pathlib import Path
from subprocess import CompletedProcess

from sqlalchemy import text

from admin.town import Town
from cli.conftest import SCRIPTS, Run, command
from cli.script import play
from given import FakeClock, some_people
from keyhouse.control.projects import Projects
from keyhouse.store.audit import insert_head
from keyhouse.store.audit_chains import open_audit_log
from keyhouse.store.engine import Actor
from keyhouse.store.master_key import open_keyring
from keyhouse.store.opening import address_of, open_database
from keyhouse.store.schema import audit_heads

OWNER = Actor("session", "org-1", "user-1", "user-1@example.com", "owner")


def test_the_log_is_listed_as_its_script_tells(town: Town, run: Run) -> None:
    play(SCRIPTS / "audit.txt", run)


def test_a_log_is_verified_with_the_master_key_and_what_does_not_fit_is_told(tmp_path: Path) -> None:
    asyncio.run(a_log(tmp_path, "one", "two"))

    def verify(*arguments: str) -> "CompletedProcess[str]":
        return command(["audit", "verify", "--data", ".", *arguments], tmp_path)

    whole = verify()
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.splitlines()[-2:] == ["entries  2", "The audit log is whole."]
    head = whole.stdout.split()[2]
    report = json.loads(verify("--json").stdout)
    assert (report["passes"], report["heads"]) == (True, {"org-1": head})

    asyncio.run(a_log(tmp_path, "three"))
    assert verify("--head", head).returncode == 0
    other = verify("--head", "1:" + "0" * 64)
    assert other.returncode == 1
    assert "cut off or replaced" in other.stdout

    asyncio.run(a_log(tmp_path, tampering="DELETE FROM audit_events WHERE sequence = 2"))
    broken = verify()
    assert broken.returncode == 1
    assert "WRONG    org-1: entry 2 was taken away" in broken.stdout

    (tmp_path / "other.key").write_text(os.urandom(32).hex())
    wrong = verify("--master-key", "other.key")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "not the master key" in wrong.stderr


async def a_log(folder: Path, *names: str, tampering: str = "SELECT 1") -> None:
    """A database with its master key, in whose audit log projects of these names were made."""
    clock = FakeClock()
    database = await open_database(address_of(folder), clock, os.urandom)
    keyring = await open_keyring(folder / "master.key", database, clock, os.urandom)
    await open_audit_log(database, keyring.audit, clock, os.urandom)
    if await database.read(lambda c: c.execute(audit_heads.select()).first()) is None:
        await database.write(some_people)
        await database.write(lambda c: c.execute(audit_heads.delete()).rowcount)
        await database.write(lambda c: insert_head(c, keyring.audit, "org-1"))
    projects = Projects(database, clock, os.urandom, lambda _: None)
    for name in names:
        await projects.create(OWNER, name)
    await database.write(lambda c: c.execute(text(tampering)).close())
    await database.close()
