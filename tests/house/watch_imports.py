"""Imports the modules it is given, one after the other, and prints what they did beside defining things.

python -B watch_imports.py SOURCE MODULE...
"""

import asyncio
import importlib
import sys
import threading
from pathlib import Path

SOURCE, MODULES = sys.argv[1], sys.argv[2:]
CODE = (".py", ".pyc", ".so")
INSTALLED = (sys.prefix, sys.base_prefix, "/usr/", "/lib", "/proc/", "/sys/", "/etc/", "/dev/")
ACTS = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "sqlite3.connect")
WRITING = 0b11  # O_WRONLY | O_RDWR

importing = ""
found: list[str] = []


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Note what an import may not do."""
    if event in ACTS:
        found.append(f"{importing}: {event}")
    if event != "open" or not isinstance(arguments[0], str | bytes):
        return
    path = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
    flags = arguments[2] if isinstance(arguments[2], int) else 0
    is_read = not flags & WRITING
    is_code = path.startswith(SOURCE) and path.endswith(CODE)
    is_installed = path.startswith(INSTALLED) and not path.startswith(SOURCE)
    if not (is_read and (is_code or is_installed)):
        found.append(f"{importing}: open {path}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(SOURCE).parent))
    sys.addaudithook(watch)
    for importing in MODULES:
        threads = set(threading.enumerate())
        importlib.import_module(importing)
        found += [f"{importing}: thread {thread.name}" for thread in set(threading.enumerate()) - threads]
        found += [f"{importing}: task {task}" for task in asyncio.tasks._all_tasks]  # type: ignore[attr-defined]
    print("\n".join(found))  # noqa: T201  the test reads this
