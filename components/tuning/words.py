"""Values of a trial in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.messages.formatting import setting, short_names


def words(values: Mapping[str, Any]) -> str:
    """Return values by their short names: `learning_rate 0.006, hidden 128`.

    Args:
        values: Values by dotted key.
    """
    return ", ".join(f"{name} {setting(values[key])}" for key, name in short_names(values).items())
