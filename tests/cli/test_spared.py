"""What a server does not use is not in its memory."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from keyhouse.cli.spared import spared

SERVED = """
import sys
from keyhouse.cli import serve

async def stop(house, *_):
    print(*sys.modules)

serve._run = stop
serve.serve(port=0)
"""


def test_a_spared_module_is_missing_within_the_block_only() -> None:
    sys.modules.pop("this", None)
    with spared("this", "json"):
        import_module("json")
        with pytest.raises(ModuleNotFoundError):
            import_module("this")
    assert "this" not in sys.modules


def test_a_server_is_without_what_would_colour_its_log_or_check_other_peoples_models(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SERVED], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )
    loaded = ended.stdout.split()
    assert "keyhouse.app" in loaded
    assert not {"pydantic", "rich"} & set(loaded)
