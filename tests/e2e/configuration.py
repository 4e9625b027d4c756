"""Keyhouses configured for a test's upstream, and what a call on their models costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from e2e.processes import KEYHOUSE, House

UPSTREAM_KEY: Final = "upstream-credential-for-tests"
INPUT_NANO_USD: Final = 1_000
CACHED_NANO_USD: Final = 500
OUTPUT_NANO_USD: Final = 2_000
OUTPUT_TOKENS_MAX: Final = 512

_UPSTREAM: Final = """
[[upstreams]]
name = "local"
base_url = "{url}/v1"
api_key_file = "{key_file}"
allow_private = true
"""
_MODEL: Final = """
[[models]]
name = "{name}"
upstreams = ["local"]
upstream_model = "tiny-1"
input_usd_per_million = "1.00"
cached_input_usd_per_million = "0.50"
output_usd_per_million = "2.00"
max_output_tokens = {maximum}
"""


def configuration(url: str, key_file: str, **models: int) -> str:
    """A keyhouse.toml for this upstream with model tiny-1, and more models by name and longest answer."""
    text = _UPSTREAM.format(url=url, key_file=key_file)
    for name, maximum in {"tiny-1": OUTPUT_TOKENS_MAX, **models}.items():
        text += _MODEL.format(name=name.replace("_", "-"), maximum=maximum)
    return text


def a_house(folder: Path, upstream_url: str, *, serve: Sequence[str] = KEYHOUSE) -> House:
    """A Keyhouse in front of this upstream, established through the command and serving."""
    key_file = folder / "upstream.key"
    key_file.write_text(UPSTREAM_KEY, encoding="utf-8")
    made = House(folder, configuration(upstream_url, str(key_file), tiny_long=1_900), serve=serve)
    made.init()
    return made.start()


def charge_nano_usd(usage: Any) -> int:
    """What a call must be charged, from the usage that the SDK shows."""
    details = usage.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details is not None else 0
    plain = usage.prompt_tokens - cached
    charge: int = plain * INPUT_NANO_USD + cached * CACHED_NANO_USD + usage.completion_tokens * OUTPUT_NANO_USD
    return charge
