"""Measurement of several models over the same rows, with paired intervals of their differences."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.confidence.margins import RESAMPLES, resampled
from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.inference.rows.questions import Question
from components.messages.exit_codes import FAILED, UserError
from components.metrics.bands import BANDS
from components.metrics.definitions import WEIGHTED, Kind, Place
from components.metrics.table import placed
from components.metrics.targets import Target, further_targets, label_target
from pipeline.comparison.margin import margin
from pipeline.comparison.results import Group

FEWEST_ROWS = 20
"""Least number of rows with an interval: the bootstrap over fewer rows is far too narrow."""
_ALL, _SLICE = 200_000, 10_000
"""Rows that are kept of all rows, and of a slice. Row n is added to row n modulo this number."""
Floats = NDArray[np.float64]
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Batch:
    """Rows that all models can read.

    Attributes:
        questions: For each model, its questions of these rows.
        outputs: For each model, its sums of these rows, (rows,) by name.
    """

    questions: list[list[Question]]
    outputs: list[Outputs]


def batches(
    models: Sequence[PushedModel], questions: Sequence[Iterator[Question]], unusable: Callable[[int, Question], None]
) -> Iterator[Batch]:
    """Yield the rows that all models can read, with the sums of each model.

    Args:
        models: The models.
        questions: Questions of each model. The n-th question of each model is the n-th row.
        unusable: Function that is called with the number of a model, from 0, and a row that the model cannot read.

    Raises:
        PredictError: The models read different rows.
    """
    asked = [model.sums(own) for model, own in zip(models, questions, strict=True)]
    for parts in itertools.zip_longest(*asked, fillvalue=([], {})):
        rows = [[question.where for question in batch] for batch, _ in parts]
        if any(own != rows[0] for own in rows[1:]):
            raise PredictError(
                "the models read different rows of the file, because one joins events and the other does not: name a "
                "file with a row for each group of events",
                FAILED,
            )
        usable = np.array([[question.example is not None for question in batch] for batch, _ in parts])
        for place, (batch, _) in enumerate(parts):
            for question in (question for question in batch if question.example is None):
                unusable(place, question)
        both: NDArray[np.bool_] = np.logical_and.reduce(usable)
        if both.any():
            yield Batch(
                [list(itertools.compress(batch, both)) for batch, _ in parts],
                [
                    {name: column[both[own]] for name, column in outputs.items()}
                    for own, (_, outputs) in zip(usable, parts, strict=True)
                ],
            )


def targets_of(models: Sequence[PushedModel], own: Sequence[str]) -> tuple[Target, ...]:
    """Return the targets that all models have, the label first.

    Args:
        models: The models.
        own: Paths of the user's own metrics that all models measure.

    Raises:
        UserError: The labels are of different kinds, such as a number and a class.
    """
    each = [(label_target(model.data, own), *further_targets(model.data, own)) for model in models]
    first = each[0][0]
    for model, (label, *_) in zip(models[1:], each[1:], strict=True):
        if label.kind != first.kind:
            raise UserError(
                f"{models[0].folder} answers {_ANSWERS[first.kind]}, and {model.folder} {_ANSWERS[label.kind]}: they "
                "have no metric in common"
            )
    if len({label.weight for label, *_ in each}) > 1:
        each = [tuple(dataclasses.replace(target, weight="") for target in targets) for targets in each]
    others = [{target.column: target.kind for target in targets} for targets in each[1:]]
    return tuple(t for t in each[0] if not t.column or all(of.get(t.column) == t.kind for of in others))


_ANSWERS: Mapping[Kind, str] = {"label": "one class", "several": "several labels", "number": "a number"}


class Measurement:
    """Sums of several models over the same rows, in all labels, bands, slices and further targets.

    Memory use does not grow with the number of rows, but with the number of values that the slices have.

    Args:
        targets: Targets that all models have.
        names: Names of the models.
        known: True to compare also over the rows whose labels all models know, because their labels differ.
        resamples: Number of resamples of the bootstrap.
    """

    def __init__(
        self, targets: Sequence[Target], names: Sequence[str], known: bool = False, resamples: int = RESAMPLES
    ) -> None:
        self._resamples = resamples
        self._targets, self._names = targets, names
        self._by_target = [_Rows(_ALL) for _ in targets]
        self._known = _Rows(_ALL) if known and targets[0].kind == "label" else None
        self._slices: dict[tuple[str, str | float], _Rows] = {}
        self.rows = 0
        """Number of rows."""

    def add(self, batch: Batch) -> Floats:
        """Add rows.

        Returns:
            (rows, models, sums) sums of the label, in the order of `Target.sum_names`.
        """
        each = [_sums(target, batch.outputs) for target in self._targets]
        for rows, sums in zip(self._by_target, each, strict=True):
            rows.add(sums)
        label, questions = each[0], batch.questions[0]
        self.rows += len(label)
        if self._known is not None:
            count, known = (self._targets[0].sum_names.index(name) for name in ("count", "known"))
            self._known.add(label[(label[:, :, known] == label[:, :, count]).all(axis=1)])
        by_slice: dict[tuple[str, str | float], list[int]] = {}
        for place, question in enumerate(questions):
            for name, value in question.slices:
                key = name, value if isinstance(value, str) else float(np.float32(value))  # As an Example holds it.
                by_slice.setdefault(key, []).append(place)
        for key, places in by_slice.items():
            self._slices.setdefault(key, _Rows(_SLICE)).add(label[places])
        return label

    def groups(self) -> Iterator[Group]:
        """Yield the comparisons: all labels, then known labels, weights, bands, slices and further targets.

        Of the values of a slice, the one with the most labels comes first.
        The bands and the weights are drawn with the same resamples as all labels.
        """
        label = self._targets[0]
        views = [(view, "band" if view in BANDS else "weighted" if view == WEIGHTED else "all") for view in label.views]
        found = dict(zip(label.views, self._compared(label, self._by_target[0], label.views), strict=True))
        yield Group(kind="all", rows=len(self._by_target[0]), **found[None])
        if self._known is not None and len(self._known):
            (compared,) = self._compared(label, self._known, (None,), "brief")
            yield Group(kind="known", rows=len(self._known), **compared)
        for view, kind in views[1:]:
            name = {"column": label.weight} if kind == "weighted" else {"value": view}
            yield Group(kind=kind, rows=len(self._by_target[0]), **name, **found[view])  # pyright: ignore[reportArgumentType]
        in_order = sorted(self._slices.items(), key=lambda item: (item[0][0], -item[1].labels, str(item[0][1])))
        for (column, value), rows in in_order:
            (compared,) = self._compared(label, rows, (None,), "brief")
            yield Group(kind="slice", column=column, value=value, rows=len(rows), **compared)
        for target, rows in zip(self._targets[1:], self._by_target[1:], strict=True):
            (compared,) = self._compared(target, rows, (None,))
            yield Group(kind="target", column=target.column, rows=len(rows), **compared)

    def _compared(
        self, target: Target, rows: _Rows, views: Sequence[str | None], place: Place = "column"
    ) -> Iterator[dict[str, Any]]:
        """Yield `models` and `margins` of a group for each view. Views but the first have the metrics of `brief`."""
        kept = rows.sums()
        total = kept.sum(axis=0)
        drawn = [*resampled(kept, self._resamples)] if len(kept) >= FEWEST_ROWS else []
        for number, view in enumerate(views):
            metrics = placed(target.metrics, "brief" if number else place)
            ours = [target.measured(of, view) for of in total]
            # The first sum of each view is `count`. A view without labels has no metric.
            some = total[0, target.views.index(view) * len(target.sums)] > 0
            resamples = [[target.measured(of, view) for of in totals] for totals in drawn] if some else []
            yield {
                "models": [{name: v if math.isfinite(v) else None for name, v in found.items()} for found in ours],
                "margins": [
                    [margin(metric, ours[other], ours[0], self._names[0], len(kept), pairs) for metric in metrics]
                    for other in range(1, len(ours))
                    for pairs in ([(found[other], found[0]) for found in resamples],)
                ],
            }


class _Rows:
    """Sums of rows, of which at most a number is kept: row n is added to row n modulo this number.

    Args:
        limit: The number.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._parts, self._count = limit, list[Floats](), 0
        self._folded: Floats | None = None
        self.labels = 0.0
        """Number of labels."""

    def __len__(self) -> int:
        return min(self._count, self._limit)

    def add(self, sums: Floats) -> None:
        """Add rows, (rows, models, sums)."""
        if not len(sums):
            return
        start, self._count = self._count, self._count + len(sums)
        self.labels += float(sums[:, 0, 0].sum())  # The first sum of every target is `count`.
        if self._count <= self._limit:
            self._parts.append(sums)
            return
        if self._folded is None:
            self._folded, self._parts = np.zeros((self._limit, *sums.shape[1:])), [*self._parts, sums]
            start, sums, self._parts = 0, np.concatenate(self._parts), []
        np.add.at(self._folded, np.arange(start, start + len(sums)) % self._limit, sums)

    def sums(self) -> Floats:
        """Return the kept rows, (rows, models, sums)."""
        return np.concatenate(self._parts) if self._folded is None else self._folded


def _sums(target: Target, outputs: Sequence[Outputs]) -> Floats:
    """Return the sums of a target, (rows, models, sums). A sum that a model lacks is NaN."""
    missing = np.full(len(next(iter(outputs[0].values()))), np.nan)
    return np.stack(
        [np.stack([of.get(name, missing) for name in target.sum_names], axis=1) for of in outputs], axis=1
    ).astype(np.float64)
