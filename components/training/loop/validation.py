"""Measuring a model on the eval split, classes with the full softmax."""

from __future__ import annotations

import tensorflow as tf

from components.layers.outputs import ClassOutput, Output
from components.names import name_of
from components.training.devices import workers
from components.training.layout import LABEL
from components.training.model import VocabularyClassifier

# What is said of the label, and of a further target, out of what its output measures.
_LABEL_CLASS = ("nll", "perplexity", "recall_at_10", "mrr_at_10")
_TARGET_CLASS = ("accuracy", "nll")
_NUMBER = ("rmse", "mae")


class Validator:
    """Measures a model on a fixed data set, on all replicas.

    Args:
        model: built.
        batches: of (model inputs, targets).
        strategy: what the model was made under.

    Attributes:
        objective: which of the measures is the better the lower it is: `nll`, or of a number `rmse`.
        shown: measures that a progress line shows, by what it calls them.
    """

    def __init__(self, model: VocabularyClassifier, batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> None:
        self._answers = model.answers
        if workers.are_several(strategy):
            batches = workers.shared_out(batches)
        self._batches = strategy.experimental_distribute_dataset(batches)
        self.objective = model.label.objective
        self.shown = _shown(model.label, model.further)

        @tf.function(reduce_retracing=True)
        def sums(batch: tuple) -> tf.Tensor:
            each = strategy.run(model.validation_sums, args=batch)
            return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None)

        self._sums = sums

    def measure(self) -> dict[str, float]:
        """The label's measures by their names, and each further target's as `<target>_<name>`.

        Classes: nll (nats) and perplexity over known ones; recall@10 and MRR@10, or for a further target accuracy, over
        all, unknown ones being misses. Numbers: rmse and mae in their own units.
        """
        total: list[float] = []
        for batch in self._batches:
            sums = self._sums(batch).numpy().tolist()
            total = [a + b for a, b in zip(total, sums, strict=True)] if total else sums
        measured: dict[str, float] = {}
        for name, output in self._answers.items():
            found = output.measured(total[: output.summed])
            total = total[output.summed :]
            prefix = "" if name == LABEL else f"{name_of(name)}_"
            measured |= {f"{prefix}{measure}": found[measure] for measure in _measures(output, name == LABEL)}
        return measured


def _measures(output: Output, label: bool) -> tuple[str, ...]:
    if isinstance(output, ClassOutput):
        return _LABEL_CLASS if label else _TARGET_CLASS
    return _NUMBER


def _shown(label: Output, further: dict[str, Output]) -> dict[str, str]:
    classes = {"validation perplexity": "perplexity", "recall@10": "recall_at_10"}
    shown = classes if isinstance(label, ClassOutput) else {"validation rmse": "rmse"}
    for name, output in further.items():
        measure = _measures(output, label=False)[0]
        column = name_of(name)
        shown = {**shown, f"{column} {measure}": f"{column}_{measure}"}
    return shown
