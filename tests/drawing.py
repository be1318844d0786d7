"""Number of examples that property tests draw.

A run of the suite draws two fifths of the numbers that the tests name. The examples differ from run to run. `make
properties` draws five times the named numbers; the variable `BIGVOCAB_DRAWN` has the factor.
"""

from __future__ import annotations

import os

from hypothesis import settings

FACTOR = float(os.environ.get("BIGVOCAB_DRAWN", "0.4"))
_LEAST = 5


def drawn(examples: int = 100) -> settings:
    """Return the settings of a property test: no limit of time, and a number of examples.

    Args:
        examples: Number of examples for a factor of 1.
    """
    return settings(deadline=None, max_examples=max(min(examples, _LEAST), round(FACTOR * examples)))
