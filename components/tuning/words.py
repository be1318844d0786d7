"""Values of a trial in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.messages.formatting import setting


def words(values: Mapping[str, Any]) -> str:
    """Return values by their last names: `learning_rate 0.006, hidden 128`.

    Where the last name is not unique, the whole key stands instead.

    Args:
        values: Values by dotted key.
    """
    last = [key.rpartition(".")[2] for key in values]
    names = [name if last.count(name) == 1 else key for key, name in zip(values, last, strict=True)]
    return ", ".join(f"{name} {setting(value)}" for name, value in zip(names, values.values(), strict=True))
