"""Metrics in a summary: of the label, and of the further targets. Their names are those of the table of metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator

from components.metrics.definitions import Kind
from components.metrics.table import BY_NAME, objective, of_kind


class Part(BaseModel):
    """Part of a summary. Numbers are finite, unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written where they say nothing: of what most runs do not have."""

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value or name not in self.left_out}


class Measured(Part):
    """Metrics over some labels, None where there was nothing to measure.

    The fields are those of the table of metrics for `kinds`, and a user's own, which the summary describes in
    `own_metrics`. The metric that decides the last kind must be there. Others that an earlier version did not know are
    None.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | float | None]  # pyright: ignore[reportIncompatibleVariableOverride]
    kinds: ClassVar[tuple[Kind, ...]]

    @model_validator(mode="before")
    @classmethod
    def _of_its_kinds(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        mine = names_of(cls.kinds)
        if foreign := [name for name in values if name in BY_NAME and name not in mine]:
            raise ValueError(f"not of this kind: {', '.join(foreign)}")
        if (needed := objective(cls.kinds[-1]).name) not in values:
            raise ValueError(f"{needed} is missing")
        found = {name: values.get(name) for name in mine} | dict(values)
        return {name: _whole(value) if _is_count(name) else value for name, value in found.items()}


class Metrics(Measured):
    """Metrics of a label of classes, over the test split and with the full softmax."""

    kinds = ("label",)


class NumberMetrics(Metrics):
    """Metrics of a label that is a number, in its units: those of classes are None."""

    kinds = ("label", "number")


class ClassTarget(Measured):
    """Metrics of a further target that is a category, over the labels whose row has a value."""

    kinds = ("class",)


class NumberTarget(Measured):
    """Metrics of a further target that is a number, in its column's units."""

    kinds = ("number",)


LabelMetrics = Metrics | NumberMetrics
Targets = dict[str, ClassTarget | NumberTarget]
TargetBaselines = dict[str, dict[str, ClassTarget | NumberTarget]]


def names_of(kinds: Iterable[Kind]) -> list[str]:
    """Return the names of the metrics that any of the kinds has."""
    return list(dict.fromkeys(metric.name for kind in kinds for metric in of_kind(kind)))


def _is_count(name: str) -> bool:
    return name in BY_NAME and BY_NAME[name].unit == "count"


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
