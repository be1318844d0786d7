"""Signatures of an export for vector databases and other runtimes.

    query     examples (batch,) serialized tf.Examples -> `query` (batch, width) float32, and the inputs of `encode`
    encode    ids and features by name -> `query` (batch, width) float32. The arguments are the inputs of the encoder:
              `input_ids` (batch, context) int32, and the features as Transform computes them, by column. A column
              whose name is no plain word is `column_<number>`
    classes   `ids` (n,) int64 -> `vectors` (n, width) and `biases` (n,) float32

The logit of a class is the product of its vector and the query, plus its bias. It includes the calibration, but not
what a mixture or repeats add to the softmax: `beside` of `facts` names it.

A window is padded on the left with the last id. A row for an encoder of whole rows is padded on the right, and has at
most `context` ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from components.layers.encoders.basket.layer import AGES
from components.layers.outputs import ClassOutput
from components.names import name_of
from components.preprocessing.preprocessing import BASKET
from components.training.data.layout import Batch, Layout
from components.training.data.values import model_inputs
from components.training.data.windows import last_windows
from components.training.export.arguments import plain_arguments
from components.training.model import VocabularyClassifier
from components.training.rows.cuts import Cuts

QUERY, ENCODE, CLASSES = "query", "encode", "classes"
"""Names of the signatures."""


class Vectors:
    """Signatures of a model whose label is a class.

    Args:
        model: Frozen and calibrated model.
        layout: Layout of an example.
        features: Function that returns the features of serialized tf.Examples, as Transform computes them.
    """

    def __init__(self, model: VocabularyClassifier, layout: Layout, features: Callable[[tf.Tensor], Batch]) -> None:
        self._model, self._layout, self._features = model, layout, features
        specs = arguments(layout)
        # The signature `query` returns the vector beside these.
        plain = list(plain_arguments([QUERY, *map(name_of, specs)]))[1:]
        self._keys = dict(zip(plain, specs, strict=True))
        self.arguments = {name: specs[key] for name, key in self._keys.items()}

    def signatures(self) -> dict[str, Any]:
        """Return the functions of the signatures, by name."""
        examples = [tf.TensorSpec([None], tf.string, name="examples")]
        ids = [tf.TensorSpec([None], tf.int64, name="ids")]
        return {
            QUERY: tf.function(self._query, input_signature=examples, autograph=False).get_concrete_function(),
            ENCODE: tf.function(self._encode, autograph=False).get_concrete_function(**self._named_arguments()),
            CLASSES: tf.function(self._classes, input_signature=ids, autograph=False).get_concrete_function(),
        }

    def facts(self) -> dict[str, Any]:
        """Return a description for the file beside the export.

        Returns:
            `padding`: id of a position without a token.
            `whole_rows`: True if rows are padded on the right. `beside`: what the answers of the model add to the
            softmax: `mixture`, `repeats` or None.
        """
        label = self._model.label
        assert isinstance(label, ClassOutput)
        beside = [name for name in ("mixture", "repeats") if getattr(label, name) is not None]
        return {
            "padding": self._layout.padding,
            "whole_rows": self._layout.whole_rows,
            "beside": beside[0] if beside else None,
        }

    def _query(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = self._features(examples)
        windows = last_windows(features["input_ids"], features.get(BASKET))
        if self._layout.whole_rows:
            given = Cuts.of(windows, features, self._layout).inputs(features, self._layout)
        else:
            given = model_inputs(windows, features, self._layout)
        inputs = {name: given[key] for name, key in self._keys.items()}
        return {QUERY: self._encoded(inputs), **inputs}

    def _encode(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {QUERY: self._encoded(inputs)}

    def _named_arguments(self) -> dict[str, tf.TensorSpec]:
        return {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in self.arguments.items()}

    def _encoded(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        encoder, given = self._model.encoder, {key: inputs[name] for name, key in self._keys.items()}
        if not self._layout.whole_rows:
            return self._model.label.queries(encoder(given))
        present = tf.cast(inputs["input_ids"] != self._layout.padding, tf.int32)
        last = tf.maximum(tf.reduce_sum(present, axis=1) - 1, 0)
        places = tf.stack([tf.range(tf.shape(last)[0]), last], axis=1)
        return self._model.label.queries(encoder.encode(given, places))

    def _classes(self, ids: tf.Tensor) -> dict[str, tf.Tensor]:
        vectors, biases = self._model.label.class_rows(ids)
        return {"vectors": vectors, "biases": biases}


def arguments(layout: Layout) -> dict[str, tf.TensorSpec]:
    """Return the shapes and types of the inputs of the encoder, by key."""
    tokens = [None, None if layout.whole_rows else layout.context]
    specs = {"input_ids": tf.TensorSpec(tokens, tf.int32)}
    specs |= {name: tf.TensorSpec([None], tf.float32) for name in layout.numbers}
    specs |= {name: tf.TensorSpec([None], tf.int64) for name in layout.categories}
    specs |= {name: tf.TensorSpec(tokens, tf.float32) for name in layout.token_numbers}
    specs |= {name: tf.TensorSpec(tokens, tf.int32) for name in layout.token_categories}
    if layout.baskets:
        specs[AGES] = tf.TensorSpec(tokens, tf.int32)
    return specs
