"""Faults of the ranges of a search: each range must hold valid values of a key below `trainer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from components.choices import merged
from components.ingest.errors import nearest
from components.training.spec import WITHOUT_EFFECT, TrainerSpec
from components.tuning.space import SECTION, tree
from components.tuning.spec import RangeSpec, TunerSpec

_NOT_SEARCHED = WITHOUT_EFFECT | {
    "patience", "seed", "validation_examples", "validations_per_epoch", "warm_start"
}  # fmt: skip
"""Keys whose best value no score of a training can tell."""


def range_faults(
    tuner: TunerSpec, trainer: TrainerSpec, config: Mapping[str, Any], check: Callable[[Any], object]
) -> Iterator[str]:
    """Yield the faults of the ranges, at most one for each key.

    Args:
        tuner: Ranges by dotted key.
        trainer: Configuration of the training.
        config: Keys that the configuration sets, without `tuner`.
        check: Function that raises `ValueError` for a wrong configuration.
    """
    for key, values in tuner.space.items():
        section, _, rest = key.partition(".")
        if section != SECTION or not rest:
            yield f"tuner.space: '{key}' is not below '{SECTION}'; a search changes only keys of the training"
        elif unknown := _unknown(trainer, rest.split(".")):
            yield f"tuner.space: unknown key '{key}'{unknown}"
        elif rest.partition(".")[0] in _NOT_SEARCHED:
            yield f"tuner.space: '{key}' does not change how good a model is; remove it"
        elif wrong := _wrong(key, values, config, check):
            yield wrong


def _unknown(section: object, path: Sequence[str]) -> str | None:
    """Return the nearest name for a key that does not exist, or None if it exists."""
    for name in path:
        if not isinstance(section, BaseModel):  # A section that is not set, or a mapping: `check` knows its keys.
            return None
        if name not in type(section).model_fields:
            return nearest(name, type(section).model_fields)
        section = getattr(section, name)
    return None


def _wrong(key: str, values: RangeSpec, config: Mapping[str, Any], check: Callable[[Any], object]) -> str | None:
    """Return the fault of the first wrong value of a range, or None."""
    for value in values.ends:
        try:
            check(merged(config, {SECTION: tree({key: value})}))
        except ValueError as error:
            return f"tuner.space: '{key}' cannot be {value!r}: {_reason(error, key)}"
    return None


def _reason(error: ValueError, key: str) -> str:
    """Return the first fault of a configuration, with the name of the key if it is another one."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where, message = [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
    own = not where or where[-1] in key.split(".")
    return message if own else f"{where[-1]}: {message}"
