"""Tables of vectors that the projector shows."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from components.layers.outputs import ClassOutput
from components.messages.formatting import in_units
from components.preprocessing.vocabulary import Vocabulary
from components.training.board.projector import ROWS, Table
from components.training.label_features import FeaturesOfLabels
from components.training.model import VocabularyClassifier


def tables_of(
    model: VocabularyClassifier, vocabularies: Mapping[str, Vocabulary], features: FeaturesOfLabels | None
) -> list[Table]:
    """Return the embeddings of the inputs and, for a label that is a class, the class vectors, as `Table`s.

    Args:
        model: Trained model, outside of any distribution strategy.
        vocabularies: Vocabulary `inputs` and, if the label is a class, vocabulary `labels`.
        features: Features of the labels, which become columns of their table. None: no features.
    """
    inputs = vocabularies["inputs"]
    vectors = model.encoder.embeddings(tf.range(min(ROWS, len(inputs)))).numpy()
    found = [Table("inputs", vectors, inputs.tokens, inputs.counts.tolist())]
    if isinstance(model.label, ClassOutput):
        labels = vocabularies["labels"]
        vectors = model.label.head.rows(tf.range(min(ROWS, len(labels))))[0].numpy()
        columns = {} if features is None else _columns(features)
        found.append(Table("labels", vectors, labels.tokens, labels.counts.tolist(), columns))
    return found


def _columns(features: FeaturesOfLabels) -> dict[str, list[str]]:
    """Return the value of each label in each category and number, empty if the label has no value."""
    columns, number = {}, 0
    for name, fitted in features.fitted.features.items():
        bag, column = features.table.bags[name], name if name not in ("token", "count") else f"{name}_of_label"
        filled = (bag.starts[1:] > bag.starts[:-1]).tolist()
        if fitted.kind == "category":
            entries = [fitted.entries[i] for i in bag.entries] + [""]
            columns[column] = [entries[at] if has else "" for at, has in zip(bag.starts.tolist(), filled, strict=False)]
        elif fitted.kind == "number":
            values = features.table.numbers[:, number] * fitted.deviation + fitted.mean
            columns[column] = [in_units(v) if has else "" for v, has in zip(values.tolist(), filled, strict=True)]
            number += 1
    return columns
