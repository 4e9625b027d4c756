"""Each check finds what it is for: planted troubles, and none where there is none."""

import asyncio
from pathlib import Path

import pytest

from given import FakeClock, a_database, seeded_entropy
from keyhouse.cli.checkups import (
    Finding,
    Verdict,
    check_clock,
    check_configuration,
    check_database,
    check_folder,
    check_master_key,
    check_upstreams,
)
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.store.health import Health
from keyhouse.store.master_key import open_keyring
from keyhouse.store.opening import address_of


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in findings}


async def an_installation(folder: Path) -> Health:
    clock = FakeClock()
    database = a_database(folder, clock)
    await open_keyring(folder / "master.key", database, clock, seeded_entropy())
    await database.close()
    findings, health = await check_database(address_of(folder))
    assert verdicts(findings) == {"database": Verdict.OK}
    assert health is not None
    return health


@pytest.mark.asyncio
async def test_a_sound_installation_has_no_finding(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    health = await an_installation(folder)
    assert check_master_key(folder / "master.key", health).verdict is Verdict.OK
    assert set(verdicts(check_folder(folder)).values()) == {Verdict.OK}
    assert check_clock().verdict is Verdict.OK


@pytest.mark.asyncio
async def test_a_master_key_that_is_missing_another_ones_or_open_to_others_is_found(tmp_path: Path) -> None:
    health = await an_installation(tmp_path)
    path = tmp_path / "master.key"
    assert check_master_key(tmp_path / "nothing", health).verdict is Verdict.PROBLEM
    path.chmod(0o644)
    assert check_master_key(path, health).verdict is Verdict.WARNING
    path.write_text("00" * 32)
    found = check_master_key(path, health)
    assert (found.verdict, "not the master key of this database" in found.what) == (Verdict.PROBLEM, True)
    assert check_master_key(path, None).verdict is Verdict.SKIPPED


@pytest.mark.asyncio
async def test_a_database_that_is_not_there_or_no_database_is_found(tmp_path: Path) -> None:
    findings, health = await check_database(address_of(tmp_path))
    assert (verdicts(findings), health) == ({"database": Verdict.WARNING}, None)
    assert "`keyhouse serve` or `keyhouse init` makes it" in findings[0].next
    (tmp_path / "keyhouse.db").write_text("x" * 5_000)
    findings, _ = await check_database(address_of(tmp_path))
    assert verdicts(findings) == {"database": Verdict.PROBLEM}
    (gone,) = (await check_database("postgresql://nobody@127.0.0.1:9/nothing"))[0]
    assert gone.verdict is Verdict.PROBLEM


@pytest.mark.asyncio
async def test_postgresql_is_asked_for_its_clock(postgres_url: str) -> None:
    findings, health = await check_database(postgres_url)
    assert verdicts(findings) == {"database": Verdict.OK, "database clock": Verdict.OK}
    assert health is not None
    assert health.engine == "postgresql"


def test_a_folder_that_everybody_can_read_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "keyhouse.db").write_text("x")
    (folder / "keyhouse.db").chmod(0o644)
    assert verdicts(check_folder(folder))["data folder"] is Verdict.WARNING
    folder.chmod(0o700)
    assert verdicts(check_folder(folder))["data folder"] is Verdict.OK
    assert verdicts(check_folder(tmp_path / "nothing")) == {"data folder": Verdict.SKIPPED}


def test_a_configuration_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    file = tmp_path / "keyhouse.toml"
    file.write_text("[server]\nprot = 1\n")
    found, settings = check_configuration(file, {})
    assert (found.verdict, settings, "prot" in found.what) == (Verdict.PROBLEM, None, True)
    file.write_text("[server]\nport = 1\n")
    assert check_configuration(file, {})[0].verdict is Verdict.OK


def test_an_upstream_that_does_not_answer_is_found() -> None:
    client = UpstreamClient(FakeClock())
    silent = Upstream("local", "http://127.0.0.1:9/v1", None, allow_private=True)

    async def ask() -> list[Finding]:
        try:
            return await check_upstreams([silent], client) + await check_upstreams([], client)
        finally:
            await client.close()

    assert verdicts(asyncio.run(ask())) == {"upstream local": Verdict.PROBLEM, "upstreams": Verdict.OK}
