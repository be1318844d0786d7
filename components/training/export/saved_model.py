"""Writer of the SavedModel of a servable model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.saved_model.experimental import TrackableResource

from components.labels.features import FittedFeatures
from components.training.data.layout import LABEL
from components.training.export.arguments import by_name, name_arguments
from components.training.export.description import Description, write
from components.training.export.growing import Growing, write_features
from components.training.export.servable import Servable


def export(servable: Servable, directory: str, label_features: FittedFeatures | None = None) -> None:
    """Write a SavedModel that also loads in graph sessions, as in TensorFlow Serving and BulkInferrer.

    Args:
        servable: Model to export.
        directory: Folder of the SavedModel.
        label_features: Vocabularies and moments of the features of labels, if the model has them. They are written to
            the export, so that labels can be added to it: see `components.training.export.growing`.
    """
    examples = [tf.TensorSpec([None], tf.string, name="examples")]
    columns = servable.column_signature()
    signatures = {
        name: tf.function(answer, input_signature=examples, autograph=False).get_concrete_function()
        for name, answer in (("serving_default", servable.examples), ("eval", servable.evaluate))
    }
    signatures["predict"] = by_name(servable.columns, columns)
    vectors = servable.vectors
    if vectors is not None:
        signatures |= vectors.signatures()
    growing = Growing(servable.model) if servable.grows else None
    if growing is not None:
        signatures[growing.SIGNATURE] = growing.signature()
    tf.saved_model.save(_Parts(servable, signatures.values(), growing), directory, signatures)
    name_arguments(directory, "predict", columns)
    description = Description(
        data=servable.data.model_dump(mode="json"),
        top_k=servable.top_k,
        context=servable.layout.context,
        labels=servable.classes.get(LABEL),
        exclude_seen=servable.exclude_seen,
        metrics=list(servable.targets[0].own),
        several=servable.layout.several_labels,
        loss=getattr(servable.model.label, "loss", None),
        threshold=servable.threshold,
        approximate=servable.index is not None,
        vectors=vectors.facts() if vectors is not None else None,
    )
    write(directory, description)
    if label_features is not None:
        write_features(directory, label_features, growing)


class _Parts(tf.Module):
    """Tables and variables behind the signatures of an export.

    TensorFlow traces each function that it finds in the saved module once more, also those of the layers of Keras and
    of Transform. The traces take twice the time of the signatures. This module has no function and no layer. Its
    variables are those of TensorFlow, because a graph session does not find the variables of Keras.

    Args:
        servable: Module with the tables.
        functions: Functions with the variables.
        growing: Class vectors to which rows can be added, or None.
    """

    def __init__(self, servable: Servable, functions: Iterable[Any], growing: Growing | None = None) -> None:
        super().__init__()
        if growing is not None:
            # The names of attributes are the names of these variables in the checkpoint.
            self.class_vectors, self.class_biases = growing.variables
        parts = tf.train.TrackableView(servable).descendants()
        self.tables = [part for part in parts if isinstance(part, TrackableResource)]
        by_id = {id(variable): variable for function in functions for variable in function.variables}
        self.weights = list(by_id.values())
