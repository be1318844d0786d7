"""Measurement of a model on the eval split, with the full softmax for classes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import tensorflow as tf

from components.layers.outputs import ClassOutput, Output
from components.metrics.definitions import WEIGHTED, Kind, Metric, Place, Sum
from components.metrics.own import own_metrics
from components.metrics.rows import label_values
from components.metrics.sums import needed, without_model_sums
from components.metrics.table import objective, of_kind, placed
from components.names import name_of
from components.training.data.layout import LABEL, Batch
from components.training.devices import workers
from components.training.held_out import calibrated_mixture
from components.training.model import VocabularyClassifier

# Lower bound of the recall@10 in the score. Below it, only the nll decides.
_LEAST_RECALL = 1e-4


@dataclass(frozen=True)
class _Measured:
    """Output, with the metrics that a validation measures, and the sums from which these metrics are computed."""

    key: str
    prefix: str
    metrics: tuple[Metric, ...]
    sums: tuple[Sum, ...]


class Validator:
    """Validator that measures a model on a fixed data set, on all replicas.

    Args:
        model: Built model.
        batches: Data set of (model inputs, targets).
        strategy: Strategy under which the model was created.
        own: Paths of the user-defined metrics.
        place: Place of `components.metrics` whose metrics are measured.
        calibrates: True to measure a mixture of the label as an export would contain it: calibrated on the same data.
        weighted: True if the labels have weights. Each metric is then measured a second time with them, as
            `<name>_weighted`, and these metrics select the best weights.

    Attributes:
        objective: Name of the metric that must be finite: `nll`, or `rmse` for a number. Lower is better.
        shown: Names of the metrics in the progress line, by their titles in the line.
        forms: Forms of these metrics, by the same titles.
    """

    def __init__(
        self,
        model: VocabularyClassifier,
        batches: tf.data.Dataset,
        strategy: tf.distribute.Strategy,
        own: Sequence[str] = (),
        place: Place = "validation",
        calibrates: bool = False,
        weighted: bool = False,
    ) -> None:
        self._suffix = f"_{WEIGHTED}" if weighted else ""
        measured = tuple(_measured(key, output, own, place) for key, output in model.answers.items())
        self._calibration = functools.partial(calibrated_mixture, model, batches) if calibrates else nullcontext
        if workers.are_several(strategy):
            batches = workers.shared_out(batches)
        self._measured = measured
        self._batches = strategy.experimental_distribute_dataset(batches)
        self.objective = objective(_kind(LABEL, model.label)).name + self._suffix
        lines = _shown(measured)
        self.shown = {title: name for title, (name, _) in lines.items()}
        self.forms = {title: form for title, (_, form) in lines.items()}

        def replica_sums(inputs: Batch, targets: Batch) -> tf.Tensor:
            values = model.row_values(inputs, targets)
            # Rows are summed within a batch in their own precision, and the sums of batches are added in float64.
            sums = [label_values(each.sums, values[each.key]).values() for each in measured]
            return tf.stack([tf.cast(tf.reduce_sum(value), tf.float64) for of in sums for value in of])

        # With this signature, the last and smaller batch uses the same graph as the others.
        @tf.function(input_signature=[self._batches.element_spec], autograph=False)
        def sums(batch: tuple) -> tf.Tensor:
            each = strategy.run(replica_sums, args=batch)
            return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

        self._sums = sums

    def score(self, measured: Mapping[str, float]) -> float:
        """Return the score that selects the best weights. Lower is better.

        A blessing compares the perplexity and the recall@10 of a class, so the score is log(perplexity / recall@10).
        For items, the recall@10 can improve for several epochs after the perplexity has started to get worse. The score
        of a number is the rmse.

        Args:
            measured: Metrics that `measure` returned.
        """
        score = measured[self.objective]
        if (recall := f"recall_at_10{self._suffix}") in measured:
            score -= math.log(max(measured[recall], _LEAST_RECALL))
        return score

    def measure(self, look: Callable[[], None] | None = None) -> dict[str, float]:
        """Return the metrics of the label by name, and the metrics of each further target as `<target>_<name>`.

        With weights, each metric has a second entry: `<name>_weighted`.

        A class outside the vocabulary counts as a miss, and has no nll. Metrics of numbers are in the units of the
        column.

        Args:
            look: Function to call with the model as it was measured, which includes the calibration of its mixture.
        """
        total: list[float] = []
        with self._calibration():
            for batch in self._batches:
                sums = self._sums(batch).numpy().tolist()
                total = [a + b for a, b in zip(total, sums, strict=True)] if total else sums
            if look is not None:
                look()
        suffixes = [*dict.fromkeys(("", self._suffix))]
        if not total:
            total = [0.0] * sum(len(each.sums) for each in self._measured) * len(suffixes)
        measured: dict[str, float] = {}
        for each in self._measured:
            for suffix in suffixes:
                totals = dict(zip((of.name for of in each.sums), total, strict=False))
                total = total[len(each.sums) :]
                measured |= {f"{each.prefix}{metric.name}{suffix}": metric.formula(totals) for metric in each.metrics}
        return measured


def label_metrics(label: Output, own: Sequence[str] = (), weighted: bool = False) -> list[str]:
    """Return the names of the metrics of the label that a validation measures."""
    names = [metric.name for metric in _measured(LABEL, label, own).metrics]
    return [*names, *(f"{name}_{WEIGHTED}" for name in names if weighted)]


def _measured(key: str, output: Output, own: Sequence[str], place: Place = "validation") -> _Measured:
    kind = _kind(key, output)
    mine = [metric for metric in own_metrics(own) if kind in metric.kinds]
    # A validation does not search for the most probable class, which sums of the model alone need.
    metrics = without_model_sums(placed([*of_kind(kind), *mine], place))
    return _Measured(key, "" if key == LABEL else f"{name_of(key)}_", metrics, needed(metrics, kind))


def _kind(key: str, output: Output) -> Kind:
    if not isinstance(output, ClassOutput):
        return "number"
    if key != LABEL:
        return "class"
    return "several" if output.several else "label"


def _shown(measured: Iterable[_Measured]) -> dict[str, tuple[str, str]]:
    """Return the name and form of each metric in the progress line, by title.

    These are the metrics of the label that have a curve, and the first metric of each further target.
    """
    label, *further = measured
    curves = placed(label.metrics, "curve")
    shown = {
        f"{'' if place else 'validation '}{metric.label}": (metric.name, metric.form)
        for place, metric in enumerate(curves)
    }
    for each in further:
        metric = each.metrics[0]
        shown[f"{name_of(each.key)} {metric.label}"] = (f"{each.prefix}{metric.name}", metric.form)
    return shown
