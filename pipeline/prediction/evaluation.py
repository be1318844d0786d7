"""Evaluation of a pushed model on rows with labels, over every class."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.inference.model import PushedModel
from components.inference.rows.questions import Question
from components.metrics.definitions import WEIGHTED
from components.metrics.own import own_metric
from components.metrics.targets import further_targets, label_target
from components.report.summary import evaluation_section

Sums = NDArray[np.float64]
"""(sums of all targets,) totals, in the order of `Target.sum_names`."""


class Evaluation:
    """Totals of the sums of a model over rows, from which its metrics are computed.

    A metric is a function of sums over labels, as in the Evaluator of a run. Memory use does not grow with the number
    of rows, but with the number of values that the slices have.

    Args:
        model: The model.
        warn: Called with a line for people, for each of the user's own metrics that is not installed here.
    """

    def __init__(self, model: PushedModel, warn: Callable[[str], None]) -> None:
        self._own = tuple(installed(model.own_metrics, warn))
        self._targets = (label_target(model.data, self._own), *further_targets(model.data, self._own))
        self._total: Sums | None = None
        self._slices: dict[tuple[str, str | float], Sums] = {}

    def add(self, batch: Sequence[Question], outputs: Mapping[str, NDArray[Any]]) -> None:
        """Add the usable rows of a batch.

        Args:
            batch: Rows.
            outputs: Sums of the usable rows, from `PushedModel.sums`. A model that was exported by an earlier version
                may lack some; the metrics that need them are not measured.
        """
        usable = [question for question in batch if question.example is not None]
        if not usable:
            return
        missing = np.full(len(usable), np.nan)
        rows = np.stack([outputs.get(name, missing) for name in self._names], axis=1).astype(np.float64)
        self._total = rows.sum(axis=0) + (0.0 if self._total is None else self._total)
        for question, row in zip(usable, rows, strict=True):
            for name, value in question.slices:
                key = name, value if isinstance(value, str) else float(np.float32(value))  # As an Example holds it.
                self._slices[key] = self._slices.get(key, 0.0) + row

    def section(self) -> dict[str, Any]:
        """Return the fields of a `Summary` that were measured.

        These are metrics, bands, targets, slices and own_metrics, and weighted if the model has a column of weights.
        """
        assert self._total is not None, "no row was added"
        label = self._targets[0]
        of_label = self._by_target(self._total)[0]
        slices = sorted(self._slices.items(), key=lambda item: (item[0][0], str(item[0][1])))
        section = evaluation_section(
            {
                "metrics": label.measured(of_label),
                "bands": {band: label.measured(of_label, band) for band in label.bands if band},
                "targets": self._further(self._total),
                "weighted": {
                    "column": label.weight,
                    "metrics": label.measured(of_label, WEIGHTED),
                    "baselines": {},
                    "targets": self._further(self._total, WEIGHTED),
                }
                if label.weight
                else None,
                "slices": [
                    {
                        "slice": name,
                        "value": value,
                        **label.measured(self._by_target(sums)[0]),
                        "baselines": {},
                        "targets": self._further(sums),
                    }
                    for (name, value), sums in slices
                ],
                # A pushed model has neither counts of the train split nor thresholds.
                "baselines": {},
                "blessed": None,
                "failures": (),
            }
        )
        return {
            **{name: section[name] for name in ("metrics", "bands", "weighted", "targets")},
            "slices": [
                {name: entry[name] for name in ("slice", "value", "metrics", "targets")} for entry in section["slices"]
            ],
            "own_metrics": [own_metric(path).column for path in self._own],
        }

    def _further(self, sums: Sums, view: str | None = None) -> dict[str, dict[str, float]]:
        """Return the metrics of the further targets, by column."""
        pairs = zip(self._targets[1:], self._by_target(sums)[1:], strict=True)
        return {target.column: target.measured(of, view) for target, of in pairs}

    def _by_target(self, sums: Sums) -> list[Sums]:
        return np.split(sums, np.cumsum([len(target.sum_names) for target in self._targets])[:-1])

    # Not in the constructor: the names of sums need TensorFlow, which takes seconds to load.
    @functools.cached_property
    def _names(self) -> list[str]:
        return [name for target in self._targets for name in target.sum_names]


def installed(paths: Sequence[str], warn: Callable[[str], None]) -> list[str]:
    """Return the paths of the user's own metrics that can be imported here."""
    found = []
    for path in paths:
        try:
            own_metric(path)
        except ValueError as error:
            warn(f"metric {path} is left out: {error}")
        else:
            found.append(path)
    return found
