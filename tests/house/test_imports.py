"""Importing any module of Keyhouse does nothing but define things."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from house.source import SOURCE, modules

WATCH: Final = Path(__file__).with_name("watch_imports.py")


def watched(source: Path, *names: str) -> str:
    """What these modules did when they were imported, and then anything that went wrong."""
    ended = subprocess.run(
        [sys.executable, "-B", str(WATCH), str(source), *names],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=source.parent,
    )
    return (ended.stdout + ended.stderr).strip()


def test_importing_any_module_opens_no_file_socket_thread_or_task() -> None:
    assert watched(SOURCE, *modules()) == ""


@pytest.mark.parametrize(
    ("source", "noticed"),
    [
        ("from pathlib import Path; Path(__file__).with_name('data.txt').read_text()", "open"),
        ("open(__file__ + '.txt', 'w').close()", "open"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()", "thread"),
        ("import socket; socket.create_server(('127.0.0.1', 0)).close()", "socket.bind"),
    ],
)
def test_the_watch_notices_a_module_that_acts_when_it_is_imported(tmp_path: Path, source: str, noticed: str) -> None:
    folder = tmp_path / "acting"
    folder.mkdir()
    (folder / "data.txt").write_text("x", encoding="utf-8")
    (folder / "__init__.py").write_text(source, encoding="utf-8")
    assert watched(folder, "acting").startswith(f"acting: {noticed}")
