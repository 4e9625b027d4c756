"""Libraries that others load because they are there, although nothing here uses them: kept out of a server's memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def spared(*names: str) -> Iterator[None]:
    """Within the block these modules count as not installed, unless they are loaded already."""
    modules = cast("dict[str, Any]", sys.modules)
    missing = [name for name in names if name not in modules]
    # What is None there cannot be imported (Python's reference, 5.3.1).
    modules.update(dict.fromkeys(missing))
    try:
        yield
    finally:
        for name in missing:
            del modules[name]
