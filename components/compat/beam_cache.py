"""Sizes of the values in Beam's state cache, without a visit of all modules for each value. Its import is enough.

Reason: Beam measures each value that it caches with `objsize`, which first lists the globals of all imported modules,
    to leave them out. There are about 6,000, so this takes 4 ms of CPU time for each value, and 7% of the Evaluator's
    time on few data.
Versions: Beam 2.73, objsize 0.7.
Remove when: Beam or objsize keeps the list.
"""

from __future__ import annotations

import sys
from typing import Any

from objsize import traverse

_KEPT: dict[int, list[dict[str, Any]]] = {}
"""Globals of all modules, by the number of modules at that time. Only the last list is kept."""

listed = traverse._iter_modules_globals
"""The function of objsize."""


def modules_globals() -> list[dict[str, Any]]:
    """Return the globals of all modules, as the function of objsize does, with a new list after each import."""
    number = len(sys.modules)
    if number not in _KEPT:
        found = list(listed())
        _KEPT.clear()
        _KEPT[number] = found
        return found
    return _KEPT[number]


traverse._iter_modules_globals = modules_globals
