"""Differences between the configurations of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.choices import leaves
from pipeline.comparison.results import Setting

_ABSENT = object()
_LEFT_OUT = ("data.schema_file", "data.span", "data.num_spans")
"""Keys that a model does not record."""


def differences(trees: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """Return the keys whose values differ, in the order of the keys of the first tree that has them.

    Args:
        trees: Configuration of each model, with defaults.
    """
    flat = [_flat(tree) for tree in trees]
    keys = dict.fromkeys(key for each in flat for key in each if key not in _LEFT_OUT)
    found = []
    for key in keys:
        values = [each.get(key, _ABSENT) for each in flat]
        if any(value != values[0] for value in values[1:]):
            found.append(Setting(key=key, values=[None if value is _ABSENT else value for value in values]))
    return found


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by dotted key. An empty section, and a key without a value, count as absent."""
    return {".".join(key): value for key, value in leaves(tree) if value is not None and value != {}}
