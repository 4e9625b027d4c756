"""`keyhouse scan`: secrets that lie where they should not: in files, in git's history, in logs, on stdin.

It works offline: a secret is known by its shape and its checksum, so hardly anything else is ever reported. What is
printed is the place and the redacted secret, never the secret itself.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
from cyclopts import Parameter

from keyhouse.cli.client import Client, part
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_json, show_table
from keyhouse.core.secret import SECRET_CHARACTERS_MAX, Kind, Secret, find, redact

CHUNK_BYTES: Final = 1024 * 1024
BINARY_BYTES: Final = 8_192
"""How much of a file is looked at for a zero byte, which makes it a binary one, as git has it."""

STDIN: Final = "-"

UNKNOWN: Final = "UNKNOWN"
"""The state of a secret that the server did not tell."""


class Found(msgspec.Struct, frozen=True):
    """A secret and where it is: a file or a commit's file, and the line."""

    place: str
    line: int
    secret: Secret


def scan(
    paths: Annotated[
        tuple[str, ...],
        Parameter(allow_leading_hyphen=True, help="Files, folders, or - for stdin; this folder if left out."),
    ] = (),
    /,
    *,
    history: Annotated[bool, Parameter(show_default=False, help="Look at every commit of git's history, too.")] = False,
    verify: Annotated[bool, Parameter(show_default=False, help="Ask the server which of them still work.")] = False,
    json: AsJson = False,
) -> int:
    """Look for secrets of Keyhouse in files, git's history, logs or stdin. Ends with 1 if there are any.

    Binary files, .git folders and links are skipped.

    For example:

        keyhouse scan

        keyhouse scan --history --verify ~/code/app

        git diff --cached | keyhouse scan -
    """
    found = list(_everything(paths or (".",), history=history))
    states = _states(found) if verify else {}
    if json:
        show_json({"object": "list", "data": [_shown(each, states) for each in found]})
    elif found:
        headers = ("PLACE", "LINE", "SECRET", "KEY", *(("STATE",) if verify else ()))
        show_table(headers, [tuple(_shown(each, states).values()) for each in found])
    say(f"{len(found)} secrets found." if found else "no secret found.")
    return Exit.ERROR if found else Exit.OK


def _everything(paths: Iterable[str], *, history: bool) -> Iterator[Found]:
    for path in paths:
        if path == STDIN:
            yield from scan_stream(sys.stdin.buffer, "stdin")
            continue
        if not os.path.lexists(path):
            raise Failure(f"there is no file or folder {path}.", Exit.NOT_FOUND)
        for file in _files(Path(path)):
            yield from _scan_file(file)
        if history:
            yield from scan_history(Path(path))


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink():
        return
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                yield file


def _scan_file(path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as file:
            if b"\0" in file.read(BINARY_BYTES):
                return
            file.seek(0)
            yield from scan_stream(file, str(path))
    except OSError as error:
        say(f"{path} cannot be read: {error.strerror}.")


def scan_stream(stream: BinaryIO, place: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Found]:
    """The secrets in a stream of bytes, of whatever length, in little memory."""
    line, rest = 1, b""
    while chunk := stream.read(chunk_bytes):
        text = rest + chunk
        # What may be the beginning of a secret is kept for the next piece, with the character before it.
        keep = min(len(text), SECRET_CHARACTERS_MAX + 1) if len(chunk) == chunk_bytes else 0
        cut = len(text) - keep
        for start, secret in find(text.decode("latin-1")):
            if start < cut:
                yield Found(place, line + text.count(b"\n", 0, start), secret)
        line += text.count(b"\n", 0, cut)
        rest = text[cut:]
    for start, secret in find(rest.decode("latin-1")):
        yield Found(place, line + rest.count(b"\n", 0, start), secret)


def scan_history(path: Path) -> Iterator[Found]:
    """The secrets that any commit of the repository at this path has added, by commit and file."""
    folder = path if path.is_dir() else path.parent
    command = ["git", "-C", str(folder), "-c", "core.quotePath=false", "log", "--all", "--full-history", "--patch"]
    command += ["--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--format=commit %H"]
    try:
        # No shell, and nothing of it is taken for an option: the folder is the value of -C.
        log = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    except OSError as error:
        raise Failure(f"git cannot be run: {error.strerror}. Install it, or leave out --history.") from None
    commit, file, line = "", "", 0
    with log:
        for raw in log.stdout or ():
            text = raw.decode("latin-1").rstrip("\n")
            if text.startswith("commit "):
                commit = text[7:19]
            elif text.startswith("+++ b/"):
                file = text[6:]
            elif text.startswith("@@ "):
                line = int(text.split(" ")[2].removeprefix("+").split(",")[0])
            elif text.startswith("+"):
                for _, secret in find(text[1:]):
                    yield Found(f"{commit}:{file}", line, secret)
                line += 1
        complaint = b"" if log.stderr is None else log.stderr.read().strip()
    if log.returncode:
        last = complaint.decode(errors="replace").splitlines()[-1:]
        raise Failure(f"git cannot read the history of {folder}: {''.join(last)}")


def _shown(found: Found, states: dict[str, str]) -> dict[str, object]:
    secret = found.secret
    shown: dict[str, object] = {
        "place": found.place,
        "line": found.line,
        "secret": redact(secret.value),
        "key_id": secret.key_id,
    }
    return shown | ({"state": states[secret.value]} if states else {})


def _states(found: list[Found]) -> dict[str, str]:
    """What the server says of each secret: `VALID`, or why not; `UNKNOWN` where it gave no answer, and why is said."""
    client, secrets = Client(), {each.secret.value: each.secret for each in found}
    states = dict.fromkeys(secrets, UNKNOWN)
    for secret in secrets.values():
        try:
            states[secret.value] = _state(client, secret)
        except Failure as failure:
            say(f"{redact(secret.value)} was not verified: {failure.message}")
            if failure.status is Exit.TRY_AGAIN:
                break  # it has no answer for the others either
    return states


def _state(client: Client, secret: Secret) -> str:
    if secret.kind is not Kind.ADMIN:
        return str(client.verify({"key": secret.value, "cost": {"requests": 0}})["code"])
    try:
        client.get(f"/admin_api_keys/{part(secret.key_id)}")
    except Failure as failure:
        if failure.status is not Exit.NOT_FOUND:
            raise
        return "NOT_FOUND"
    return "ADMIN_KEY_EXISTS"
