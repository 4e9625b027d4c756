"""The pages' files: read once from the package, served from memory under hashed names that never change.

Only files that were there at the start have an address, so no path can lead anywhere else.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

_TYPES: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}
_SMALLER_BY_GZIP: Final = frozenset({"css", "js", "svg"})


@dataclass(frozen=True)
class Asset:
    """One file. `packed` is its gzip form where that is worth sending."""

    media_type: str
    content: bytes
    packed: bytes | None
    etag: str


class Chunk(msgspec.Struct, frozen=True):
    """What Vite's manifest says of one entry."""

    file: str
    css: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assets:
    """All files by their path under `/static/`, and the addresses that pages name."""

    by_path: Mapping[str, Asset]
    script: str
    style: str


def load_assets() -> Assets:
    """Read the built files; raises FileNotFoundError, saying how to build them, where they are missing."""
    static = files("keyhouse") / "static"
    manifest = static / "manifest.json"
    if not manifest.is_file():
        raise FileNotFoundError("the console's pages are not built: run `python hatch_build.py`, or `make serve`")
    entry = msgspec.json.decode(manifest.read_bytes(), type=dict[str, Chunk])["src/app.js"]
    by_path = {f"assets/{file.name}": _asset(file) for file in (static / "assets").iterdir()}
    return Assets(by_path=by_path, script=f"/static/{entry.file}", style=f"/static/{entry.css[0]}")


def _asset(file: Traversable) -> Asset:
    content = file.read_bytes()
    ending = file.name.rpartition(".")[2]
    return Asset(
        media_type=_TYPES.get(ending, "application/octet-stream"),
        content=content,
        packed=gzip.compress(content, 6, mtime=0) if ending in _SMALLER_BY_GZIP else None,
        etag=f'"{hashlib.sha256(content).hexdigest()[:24]}"',
    )
