"""Predictions for a fixed sample of the eval split, as a table for people and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.outputs import ClassOutput
from components.messages.formatting import in_markdown, in_units, share
from components.training.data.layout import LABEL, Batch
from components.training.faults.readable import Readable
from components.training.model import VocabularyClassifier
from components.training.rows.cuts import NO_LABEL
from components.training.rows.hidden import AtLabels, at_labels, of_whole_rows

SHOWN = 12
"""Examples in the table."""
_LABELS = 64
"""Labels whose predictions are measured. More would slow down each validation of a model with a mixture."""
_ROWS = 16
"""Whole rows that are encoded for these labels."""
_ANSWERS = 5
_RIGHT = " ✓"


class Predictions(NamedTuple):
    """Predictions of a model for the sample.

    Attributes:
        table: Markdown table of some examples: input, label, and the most probable answers.
        values: Measured numbers, (labels,) each, by name. `confidence`: the probability of the most probable class.
            `gate`: the share of the model in the mixture. `number`: the predictions of a label that is a number.
    """

    table: str
    values: dict[str, NDArray[np.float32]]


class _Shown(NamedTuple):
    """Example in the table: its place among the labels of the sample, its input, and its label or labels."""

    place: int
    text: str
    label: str


class _Examples:
    """Examples of a sample.

    Args:
        inputs: Inputs of the model.
        targets: Targets of the model.
        readable: Readable form of the examples.
    """

    def __init__(self, inputs: Batch, targets: Batch, readable: Readable) -> None:
        self._inputs, self._targets, self._readable = inputs, targets, readable
        whole = of_whole_rows(targets)
        places = tf.where(targets[LABEL] != NO_LABEL).numpy() if whole else np.arange(len(targets[LABEL]))[:, None]
        self._kept = _spread(len(places), _LABELS)
        self._places = places[self._kept]

    def __len__(self) -> int:
        return len(self._kept)

    def hidden(self, model: VocabularyClassifier) -> AtLabels:
        """Return the hidden vectors and the labels of the examples."""
        read = at_labels(model.encoder, self._inputs, self._targets)
        counted = None if read.counted is None else tf.gather(read.counted, self._kept)
        labels = tf.gather(read.targets[LABEL], self._kept)
        return AtLabels(tf.gather(read.hidden, self._kept), {LABEL: labels}, counted)

    def shown(self) -> list[_Shown]:
        """Return the examples of the table."""
        inputs, targets = (
            {name: values.numpy() for name, values in part.items()} for part in (self._inputs, self._targets)
        )
        found = []
        for place in _spread(len(self), SHOWN).tolist():
            row, position = (*self._places[place].tolist(), None)[:2]
            words, cut = self._readable.tokens_before(inputs, row, position)
            if self._readable.layout.label_kind == "number":
                label = in_units(float(targets[LABEL][row]))
            else:
                label = ", ".join(self._readable.labels(targets, row, position))
            found.append(_Shown(place, " ".join([*(["..."] if cut else []), *words]), label))
        return found


class Sample:
    """Fixed sample of the eval split: labels at the beginning of a shuffled data set.

    Args:
        batches: Data set of (model inputs, targets), shuffled by a fixed seed.
        readable: Readable form of the examples.
    """

    def __init__(self, batches: tf.data.Dataset, readable: Readable) -> None:
        self._batches, self._readable = batches, readable
        self._examples: _Examples | None = None
        self._shown: list[_Shown] = []

    def predictions(self, model: VocabularyClassifier) -> Predictions | None:
        """Return the predictions of a built model, or None if the data set has no label.

        The call neither changes the model nor draws random numbers.
        """
        if self._examples is None:
            for inputs, targets in map(_beginning, self._batches.take(1)):
                self._examples = _Examples(inputs, targets, self._readable)
                self._shown = self._examples.shown()
        if not self._examples:
            return None
        read, output = self._examples.hidden(model), model.label
        if isinstance(output, ClassOutput):
            return self._of_classes(output, read, model.context(LABEL, read.counted))
        numbers = output(read.hidden).numpy()
        lines = [(text, label, in_units(float(numbers[place]))) for place, text, label in self._shown]
        return Predictions(_table(("Input", "Label", "Prediction"), lines), {"number": numbers})

    def _of_classes(self, output: ClassOutput, read: AtLabels, context: Batch) -> Predictions:
        labels, k = read.targets[LABEL], min(_ANSWERS, output.head.classes)
        if output.several:
            found, ranks = output.sweep_several(read.hidden, k=k, **context), None
        else:
            found = output.sweep(read.hidden, labels, k=k, **context)
            ranks = found.rank.numpy()
        ids, probabilities, right = found.ids.numpy(), found.probabilities.numpy(), labels.numpy()
        values = {"confidence": probabilities[:, 0]}
        if output.mixture is not None:
            values["gate"] = output.mixture.gates(read.hidden, read.counted)[:, 0].numpy()
        lines = []
        for place, text, label in self._shown:
            answers = zip(ids[place].tolist(), probabilities[place].tolist(), strict=True)
            texts = [
                f"{self._readable.label(i)} {share(p)}{_RIGHT if np.any(right[place] == i) else ''}" for i, p in answers
            ]
            rank = [] if ranks is None else [f"{ranks[place]:,}" if right[place] >= 0 else "-"]
            lines.append((text, label, *rank, *texts))
        head = ["Input", "Labels"] if ranks is None else ["Input", "Label", "Rank"]
        return Predictions(_table([*head, *(f"Answer {i + 1}" for i in range(k))], lines), values)


def _spread(number: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices below a number, at equal distances."""
    return np.unique(np.linspace(0, number - 1, min(most, number), dtype=np.int64))


def _beginning(batch: tuple[Batch, Batch]) -> tuple[Batch, Batch]:
    """Return the first rows of a batch."""
    rows = _ROWS if of_whole_rows(batch[1]) else _LABELS
    inputs, targets = ({name: values[:rows] for name, values in part.items()} for part in batch)
    return inputs, targets


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *([in_markdown(text) for text in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
