"""What can be wrong with an installation on this machine, one check each: what was found, and what to do next."""

import asyncio
import os
import shutil
import stat
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from keyhouse import config
from keyhouse.core.errors import Refusal
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.store import migrations
from keyhouse.store.engine import CannotOpen, Unavailable
from keyhouse.store.health import Health, examine
from keyhouse.store.master_key import read_master_key, root_of
from keyhouse.store.opening import SQLITE, look

SKEW_MS_MAX: Final = 2_000
"""How far the database's clock and this machine's may be apart before people wonder about times."""

FREE_BYTES_MIN: Final = 1_000_000_000
YEAR_MIN: Final = 2026


class Verdict(StrEnum):
    """How a check ended. `skipped` says that it could not be made."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


class Finding(msgspec.Struct, frozen=True):
    """What a check found, in a sentence, and what to do next."""

    check: str
    verdict: Verdict
    what: str
    next: str = ""


def check_configuration(file: Path | None, environment: Mapping[str, str]) -> tuple[Finding, config.Settings | None]:
    """Whether the configuration can be read."""
    try:
        settings = config.load(file, environment)
    except config.BadConfiguration as error:
        return Finding("configuration", Verdict.PROBLEM, str(error), "Correct it; nothing starts with it."), None
    return Finding("configuration", Verdict.OK, "It can be read."), settings


async def check_database(url: str) -> tuple[list[Finding], Health | None]:
    """Whether the database is there, has this program's schema, takes writes, and has the same time."""
    path = Path(url.removeprefix(SQLITE))
    if url.startswith(SQLITE) and not await asyncio.to_thread(path.exists):
        next_step = "`keyhouse serve` or `keyhouse init` makes it; if there is one, name its folder by --data."
        return [Finding("database", Verdict.WARNING, f"There is none at {path} yet.", next_step)], None
    try:
        health = await look(url, examine)
    except (CannotOpen, Unavailable) as error:
        said = error.internal if isinstance(error, Unavailable) else str(error)
        return [Finding("database", Verdict.PROBLEM, said, "Keyhouse cannot start or serve without it.")], None
    findings = [_schema(health)]
    if health.is_read_only or (health.engine == "sqlite" and not os.access(path, os.W_OK)):
        next_step = "Point database.url to the primary, or give this user the right to write."
        findings.append(Finding("database writable", Verdict.PROBLEM, "It takes no writes.", next_step))
    if health.now_ms is not None:
        apart_ms = abs(health.now_ms - time.time_ns() // 1_000_000)
        is_far = apart_ms > SKEW_MS_MAX
        findings.append(
            Finding(
                "database clock",
                Verdict.WARNING if is_far else Verdict.OK,
                f"It is {apart_ms / 1000:.1f} s apart from this machine's.",
                "Synchronize both with NTP: limits follow the database's clock." if is_far else "",
            )
        )
    return findings, health


def _schema(health: Health) -> Finding:
    if health.revision is None:
        what, next_step = f"The {health.engine} database is empty.", "`keyhouse serve` or `keyhouse init` sets it up."
        return Finding("database", Verdict.WARNING, what, next_step)
    if health.revision > migrations.HEAD:
        what = f"Its schema {health.revision} is newer than this program, which knows {migrations.HEAD}."
        return Finding("database", Verdict.PROBLEM, what, "Install the version that wrote it.")
    if health.revision < migrations.HEAD:
        what = f"Its schema is {health.revision}, the newest is {migrations.HEAD}."
        return Finding("database", Verdict.WARNING, what, "`keyhouse db upgrade`, or the next start, brings it there.")
    return Finding("database", Verdict.OK, f"It is {health.engine} with the newest schema, {health.revision}.")


def check_master_key(path: Path, health: Health | None) -> Finding:
    """Whether the master key is there, kept from others, and this database's."""
    if health is None or health.lock is None:
        return Finding("master key", Verdict.SKIPPED, "The database has none yet, or cannot be asked.")
    try:
        master_key = read_master_key(path)
    except CannotOpen as error:
        return Finding("master key", Verdict.PROBLEM, str(error), "No key is recognized without it.")
    try:
        root_of(health.lock, master_key)
    except CannotOpen as error:
        what = f"{path}: {error}"
        return Finding("master key", Verdict.PROBLEM, what, "Restore it from a backup, or from another gateway.")
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        return Finding("master key", Verdict.WARNING, f"Others can read {path}.", f"chmod 600 {path}")
    return Finding("master key", Verdict.OK, f"{path} is this database's, and nobody else can read it.")


def check_folder(folder: Path) -> list[Finding]:
    """Whether there is room in the data folder, and whether others can look into it."""
    if not folder.is_dir():
        return [Finding("data folder", Verdict.SKIPPED, f"{folder} is not there.")]
    free = shutil.disk_usage(folder).free
    room = f"{free / 1e9:.1f} GB are free in {folder}."
    findings = [Finding("disk space", Verdict.OK, room)]
    if free < FREE_BYTES_MIN:
        next_step = "Make room: without it every call is refused with 503."
        findings = [Finding("disk space", Verdict.WARNING, room, next_step)]
    loose = [path for path in sorted(folder.iterdir()) if path.is_file() and path.stat().st_mode & 0o007]
    if folder.stat().st_mode & 0o007 and loose:
        names = ", ".join(path.name for path in loose[:3])
        what = f"Everybody on this machine can read {names} in {folder}."
        findings.append(Finding("data folder", Verdict.WARNING, what, f"chmod 700 {folder}"))
    else:
        findings.append(Finding("data folder", Verdict.OK, "Others on this machine cannot look into it."))
    return findings


def check_clock() -> Finding:
    """Whether this machine's clock can be right."""
    year = time.gmtime().tm_year
    if year < YEAR_MIN:
        return Finding("clock", Verdict.PROBLEM, f"This machine believes it is {year}.", "Synchronize it with NTP.")
    return Finding("clock", Verdict.OK, f"It shows {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC.")


async def check_upstreams(upstreams: list[Upstream], client: UpstreamClient) -> list[Finding]:
    """Whether each upstream answers, with the credential that is configured."""
    findings = []
    for upstream in upstreams:
        check = f"upstream {upstream.name}"
        try:
            models = await client.list_models(upstream)
        except Refusal as refusal:
            next_step = f"Check base_url and credential of [[upstreams]] {upstream.name}. {refusal.hint}".strip()
            findings.append(Finding(check, Verdict.PROBLEM, refusal.message, next_step))
        else:
            findings.append(Finding(check, Verdict.OK, f"It answers, with {len(models)} models."))
    return findings or [Finding("upstreams", Verdict.OK, "None is configured here: the built-in demo model answers.")]
