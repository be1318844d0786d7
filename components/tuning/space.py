"""Values that a search tries, by dotted key below `trainer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.choices import merged
from components.training.spec import TrainerSpec
from components.tuning.spec import RangeSpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SECTION = "trainer"
_WIDTHS = ("embedding", "hidden")
_RATES = ("dropout", "input_dropout")
_LEAST_WIDTH = 8


def default_space(trainer: TrainerSpec) -> dict[str, RangeSpec]:
    """Return the space of a search without declared ranges, around the values of the configuration.

    The learning rate varies by a factor of three in both directions, the widths of the embedding and the hidden layer
    by a factor of two, and dropout rates up to .5. A width of 0, and the widths of a model whose class vectors are
    the token vectors, stay as they are, because they must fit each other.

    Args:
        trainer: Configuration of the training.
    """
    model, rate = trainer.model, trainer.learning_rate
    space = {f"{SECTION}.learning_rate": RangeSpec(low=rate / 3, high=rate * 3, log=True)}
    for name in _WIDTHS:
        width = getattr(model, name, 0)
        choices = [width // 2, width, width * 2]
        if width >= 2 * _LEAST_WIDTH and all(_is_valid(trainer, f"{SECTION}.model.{name}", each) for each in choices):
            space[f"{SECTION}.model.{name}"] = RangeSpec(choices=choices)
    for name in _RATES:
        if hasattr(model, name) and getattr(model, "hidden", 1):
            space[f"{SECTION}.model.{name}"] = RangeSpec(low=0.0, high=0.5)
    return space


def tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys below `trainer` as a tree, for values by dotted key.

    Example:
        >>> tree({"trainer.model.hidden": 64, "trainer.batch": 256})
        {'model': {'hidden': 64}, 'batch': 256}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        for name in reversed(key.split(".")[1:]):
            value = {name: value}
        found = merged(found, value)
    return found


def configured(trainer: TrainerSpec, space: Mapping[str, RangeSpec]) -> dict[str, Any]:
    """Return the values that the configuration has for the keys of a space.

    A key that is not set, or whose value is outside its range, is left out: the first trial then draws it.

    Args:
        trainer: Configuration of the training.
        space: Ranges by dotted key.
    """
    whole = trainer.model_dump(mode="json")
    found: dict[str, Any] = {}
    for key, values in space.items():
        here: Any = whole
        for name in key.split(".")[1:]:
            here = here.get(name) if isinstance(here, Mapping) else None
        if _contains(values, here):
            found[key] = here
    return found


def distributions(space: Mapping[str, RangeSpec]) -> dict[str, BaseDistribution]:
    """Return the space in the form of Optuna. A choice is its JSON, since it may be a list or a mapping."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for key, values in space.items():
        if values.choices is not None:
            found[key] = CategoricalDistribution([_in_json(choice) for choice in values.choices])
        elif isinstance(values.low, int) and isinstance(values.high, int):
            found[key] = IntDistribution(values.low, values.high, log=values.log)
        else:
            found[key] = FloatDistribution(float(values.low or 0), float(values.high or 0), log=values.log)
    return found


def parameters(values: Mapping[str, Any], space: Mapping[str, RangeSpec]) -> dict[str, Any]:
    """Return values in the form of Optuna: a choice is its JSON.

    Args:
        values: Values by dotted key.
        space: Ranges by dotted key.
    """
    return {key: value if space[key].choices is None else _in_json(value) for key, value in values.items()}


def values_of(params: Mapping[str, Any], space: Mapping[str, RangeSpec]) -> dict[str, Any]:
    """Return the values by dotted key for the parameters of Optuna. Inverse of `parameters`.

    Args:
        params: Parameters of Optuna by dotted key.
        space: Ranges by dotted key.
    """
    return {key: value if space[key].choices is None else json.loads(value) for key, value in params.items()}


def _in_json(choice: Any) -> str:
    return json.dumps(choice, sort_keys=True)


def _contains(values: RangeSpec, value: Any) -> bool:
    if values.choices is not None:
        return value in values.choices
    numbers = isinstance(value, int | float) and not isinstance(value, bool)
    return numbers and (values.low or 0) <= value <= (values.high or 0)


def _is_valid(trainer: TrainerSpec, key: str, value: Any) -> bool:
    try:
        TrainerSpec.model_validate(merged(trainer.model_dump(mode="json", exclude_unset=True), tree({key: value})))
    except ValueError:
        return False
    return True
