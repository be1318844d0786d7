"""Sizes of the values in Beam's state cache, without a visit of all modules for each value. Its import is enough.

Reason: Beam measures each value that it caches with `objsize`, which first lists the globals of all imported modules,
    to leave them out. There are about 6,000, so this takes 4 ms of CPU time for each value, and 7% of the Evaluator's
    time on few data.
Versions: Beam 2.73, objsize 0.7.
Remove when: Beam or objsize keeps the list.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from objsize import traverse

listed = traverse._iter_modules_globals
"""The function of objsize."""


def modules_globals() -> list[dict[str, Any]]:
    """Return the globals of all modules, as the function of objsize does, with a new list after each import."""
    return _listed(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _listed(_modules: int) -> list[dict[str, Any]]:
    return list(listed())


traverse._iter_modules_globals = modules_globals
