"""Suggestions for misspelled names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `; did you mean 'x'?` for the nearest choice, or an empty string.

    Args:
        word: Misspelled name. Letter case is ignored: `HOUR` is near `hour`.
        choices: Correct names.
        cutoff: Least similarity, from 0 to 1.
    """
    # Reversed, so that the first of several choices that differ only in case is kept.
    by_folded = {choice.casefold(): choice for choice in reversed(list(choices))}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return f"; did you mean '{by_folded[close[0]]}'?" if close else ""
