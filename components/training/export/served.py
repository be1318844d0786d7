"""Form in which an export serves the classes of the label: type of the class vectors, and search."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.classes.clusters import ClusterIndex
from components.layers.outputs import ClassOutput
from components.messages.progress import note
from components.training.export.approximate import choose, is_asked
from components.training.held_out import quantize, read_labels
from components.training.history import served_lines
from components.training.model import VocabularyClassifier
from components.training.spec import TrainerSpec


def prepare(
    model: VocabularyClassifier, batches: tf.data.Dataset, spec: TrainerSpec
) -> tuple[ClusterIndex | None, dict[str, Any]]:
    """Replace the class vectors by int8 vectors and choose an approximate search, as configured.

    Args:
        model: Frozen and calibrated model.
        batches: Data set of (model inputs, targets) of the eval split. It is read only if the configuration needs it.
        spec: Configuration of the training.

    Returns:
        Index of the search, None for exact answers; and facts for the history, `approximate` and `class_table`, without
        those of parts that are not configured.
    """
    is_int8 = spec.class_table == "int8" and isinstance(model.label, ClassOutput)
    asked = is_asked(model, spec.approximate)
    if not is_int8 and not asked:
        return None, {}
    read, facts = read_labels(model, batches), {}
    if is_int8:
        facts["class_table"] = quantize(model, read)
    index = None
    if asked:
        index, facts["approximate"] = choose(model, None if read is None else read.hidden, spec.approximate, spec.top_k)
    for line in served_lines(facts):
        note(line)
    return index, facts
