"""What one image in a prompt counts at most, as the makers document it."""

import pytest

from keyhouse.gateway.known_ceilings import known_image_tokens_max


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 85 + 8 * 170),
        ("gpt-4o-2024-08-06", 85 + 8 * 170),
        ("chatgpt-4o-latest", 85 + 8 * 170),
        ("gpt-4.1", 85 + 8 * 170),
        ("gpt-4o-mini", 2_833 + 8 * 5_667),
        ("gpt-5", 70 + 8 * 140),
        ("gpt-5-chat-latest", 70 + 8 * 140),
        ("o3", 75 + 8 * 150),
        ("gpt-5-mini", 2_489),
        ("gpt-5-mini-2025-08-07", 2_489),
        ("gpt-4.1-nano", 3_779),
        ("o4-mini", 2_642),
    ],
)
def test_a_well_known_model_has_the_documented_maximum(model: str, tokens: int) -> None:
    assert known_image_tokens_max(model) == tokens


@pytest.mark.parametrize(
    "model", ["", "gpt-4", "gpt-4o-audio-preview", "my-gpt-4o", "gpt-4o2", "gpt-5-mini-turbo", "gpt-5.5", "tiny-1"]
)
def test_any_other_model_is_not_guessed(model: str) -> None:
    assert known_image_tokens_max(model) is None
