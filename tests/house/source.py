"""The tree as the house's own tests see it: files under version control or about to be, and their syntax."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src" / "keyhouse"


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project that git does not ignore; without git, every file of its folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
        found = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "bench", "docs", "frontend/src")
        found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return tuple(sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts))


@cache
def python_files() -> tuple[Path, ...]:
    """The Python among them."""
    return tuple(path for path in files() if path.suffix == ".py")


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name(path: Path) -> str:
    """How a file is called in lists and messages: its path from the root."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of a file, by its name with that of the file."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name(path)}:{node.name}", node


def modules() -> list[str]:
    """Every module of the product by its dotted name, except entry points that run when imported."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        if path.name == "__main__.py" or "versions" in parts or path.name == "env.py":
            continue
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found
