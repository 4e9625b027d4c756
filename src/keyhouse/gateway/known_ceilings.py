"""What well-known models make of an image at most, in tokens, as OpenAI documents it (Images and vision, costs).

An image is fitted into 2048 x 2048 and then to 768 on its shorter side: at most 8 tiles of 512. The small models
count patches of 32 instead, at most 1,536 of them, times a factor.
"""

import re
from typing import Final

TILES_MAX: Final = 8
PATCHES_MAX: Final = 1_536

_DATED: Final = r"(-\d{4}-\d{2}-\d{2}|-latest)?$"
_TILED: Final = (
    (r"gpt-5(-chat)?", 70, 140),
    (r"gpt-4o|gpt-4\.1|chatgpt-4o", 85, 170),
    (r"gpt-4o-mini", 2_833, 5_667),
    (r"o1|o1-pro|o3", 75, 150),
)
_PATCHED: Final = ((r"gpt-5-mini|gpt-4\.1-mini", 162), (r"gpt-5-nano|gpt-4\.1-nano", 246), (r"o4-mini", 172))

_KNOWN: Final = tuple(
    (re.compile(f"(?:{names}){_DATED}"), base + TILES_MAX * tile) for names, base, tile in _TILED
) + tuple((re.compile(f"(?:{names}){_DATED}"), -(-PATCHES_MAX * percent // 100)) for names, percent in _PATCHED)


def known_image_tokens_max(model: str) -> int | None:
    """The most tokens that one image in a prompt of `model` counts; None if that is not known."""
    for names, tokens in _KNOWN:
        if names.match(model):
            return tokens
    return None
