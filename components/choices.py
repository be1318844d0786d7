"""`choices.json`: the chosen values of keys, and the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.files import read_text, write_whole

_FILE = "choices.json"


@dataclass(frozen=True)
class Choices:
    """Chosen values of keys.

    Attributes:
        trainer: Values under `trainer` that the configuration does not set.
        vocabulary: Values under `vocabulary` that the configuration does not set.
        reason: The choice and its reason, in one line.
        facts: Statistics that the choice follows from.
        tuned: Values under `trainer` that a search found. They override the configuration.
    """

    trainer: dict[str, Any]
    vocabulary: dict[str, Any]
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Choices:
        """Return the choices in a file's contents, or empty choices for no contents."""
        return cls(**values) if values else cls({}, {}, "")

    def over(self, trainer: Mapping[str, Any]) -> dict[str, Any]:
        """Return all values under `trainer`: a search overrides the configuration, and that the other choices.

        Args:
            trainer: Values under `trainer` that the configuration sets.
        """
        return merged(merged(self.trainer, trainer), self.tuned)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two trees of keys. If both have a value for a key, the value of `over` is used."""
    both = {
        key: merged(under[key], value) if isinstance(value, Mapping) and isinstance(under.get(key), Mapping) else value
        for key, value in over.items()
    }
    return {**under, **both}


def leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values of a tree of keys, each with its path. A list, None and an empty section are values."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def write_choices(uri: str, choices: Choices) -> None:
    """Write the choices into the folder of an artifact. It must be the only file there: TFX's Trainer reads it."""
    values = {
        "trainer": choices.trainer,
        "vocabulary": choices.vocabulary,
        "reason": choices.reason,
        "facts": dict(choices.facts),
        **({"tuned": dict(choices.tuned)} if choices.tuned else {}),
    }
    write_whole(f"{uri}/{_FILE}", json.dumps(values, indent=2) + "\n")


def read_choices(uri: str) -> Choices:
    """Return the choices that `write_choices` wrote."""
    return Choices.of(json.loads(read_text(f"{uri}/{_FILE}")))
