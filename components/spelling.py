"""The nearest right spelling of a wrong name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, choices: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `; did you mean 'x'?` for the nearest choice, or nothing.

    Args:
        word: The wrong name. Letter case does not count: `HOUR` is near `hour`.
        choices: The right names.
        cutoff: Least similarity, from 0 to 1.
    """
    # Reversed: of choices that differ in case alone, the first stands.
    by_folded = {choice.casefold(): choice for choice in reversed(list(choices))}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return f"; did you mean '{by_folded[close[0]]}'?" if close else ""
