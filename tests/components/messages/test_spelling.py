from __future__ import annotations

import pytest

from components.messages.spelling import did_you_mean


@pytest.mark.parametrize(
    ("word", "choices", "cutoff", "near"),
    [
        ("viewd", ["bought", "viewed"], 0.5, "; did you mean 'viewed'?"),
        ("HOUR", ["user", "hour"], 0.5, "; did you mean 'hour'?"),
        ("hour", ["HOUR", "Hours"], 0.9, "; did you mean 'HOUR'?"),
        ("hour", ["user"], 0.7, ""),
        ("hour", [], 0.5, ""),
    ],
)
def test_the_nearest_name_whatever_its_letter_case(word: str, choices: list[str], cutoff: float, near: str) -> None:
    assert did_you_mean(word, choices, cutoff) == near
