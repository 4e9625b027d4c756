"""`keyhouse doctor`: what is wrong with an installation, in plain sentences, and what to do next."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from keyhouse import config
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
from keyhouse.cli.client import server_url
from keyhouse.cli.place import wait_for
from keyhouse.cli.reach import check_address, check_server, check_stream
from keyhouse.cli.talk import AsJson, Exit, plain, show_json
from keyhouse.store.opening import address_of

_MARKS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.PROBLEM: "PROBLEM", Verdict.SKIPPED: "skipped"}


def doctor(
    *,
    data: Annotated[Path, Parameter(help="Folder of the database and the master key.")] = Path("data"),
    file: Annotated[Path | None, Parameter(name="--config", help="Configuration; default ./keyhouse.toml.")] = None,
    model: Annotated[str, Parameter(help="The model of the streamed call.")] = "keyhouse-demo",
    json: AsJson = False,
) -> int:
    """Look for what is wrong: configuration, database, master key, disk, clock, upstreams, and the way to the server.

    It reads only, and makes one small streamed call with KEYHOUSE_API_KEY, if that is set. Ends with 1 if there is a
    problem.

    For example:

        keyhouse doctor --data /var/lib/keyhouse --config /etc/keyhouse.toml

        KEYHOUSE_API_KEY=$(cat key.txt) keyhouse doctor --model gpt-5-mini
    """
    findings = list(_examine(data, file, model))
    is_ill = any(finding.verdict is Verdict.PROBLEM for finding in findings)
    if json:
        show_json({"object": "doctor.report", "passes": not is_ill, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            print(f"{_MARKS[finding.verdict]:<8} {finding.check}: {plain(finding.what)}")
            if finding.next:
                print(f"{'':<8} -> {plain(finding.next)}")
    return Exit.ERROR if is_ill else Exit.OK


def _examine(data: Path, file: Path | None, model: str) -> list[Finding]:
    findings = [check_clock()]
    configuration, settings = check_configuration(file, os.environ)
    findings.append(configuration)
    if settings is None:
        return findings
    url = settings.database.url or address_of(data)
    database, health = wait_for(check_database(url))
    findings += database
    findings.append(check_master_key(settings.secrets.master_key_beside(data), health))
    findings += check_folder(data)
    findings += _upstreams(settings)
    local = server_url(os.environ, f"http://127.0.0.1:{settings.server.port}")
    public = (settings.server.public_url or local).rstrip("/")
    server = check_server(local)
    findings += [server, check_address(public)]
    if server.verdict is Verdict.OK:
        findings.append(check_stream(public, os.environ.get("KEYHOUSE_API_KEY") or None, model))
    return findings


def _upstreams(settings: config.Settings) -> list[Finding]:
    # It brings the whole of Keyhouse along, which the rest of the command does not need.
    from keyhouse.catalog import upstreams_of
    from keyhouse.gateway.upstream import UpstreamClient
    from keyhouse.ground import SystemClock

    async def ask() -> list[Finding]:
        client = UpstreamClient(SystemClock())
        try:
            return await check_upstreams(upstreams_of(settings, os.environ), client)
        finally:
            await client.close()

    try:
        return wait_for(ask())
    except config.BadConfiguration as error:
        return [Finding("upstreams", Verdict.PROBLEM, str(error), "Set it, or leave the upstream out.")]
