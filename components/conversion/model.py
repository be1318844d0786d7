"""Vectors of a pushed model: those of its classes, and those of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import components.compat.lazy  # noqa: F401  must precede TensorFlow

# isort: split
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.conversion.errors import ConversionError
from components.inference.model import PushedModel
from components.training.export.description import Description
from components.training.export.vectors import CLASSES, ENCODE, QUERY

# Classes that are read at a time.
_CLASSES = 65_536
_INPUT_TABLE = "encoder/embedding/embeddings:0"


@dataclass
class VectorModel:
    """Pushed model whose logits are products of vectors.

        logit = query . vectors[class] + biases[class]

    Args:
        folder: Folder of one version.

    Attributes:
        pushed: The model.
        about: Description of the model.
        loaded: The SavedModel.
        vectors: (classes, width) float32 class vectors.
        biases: (classes,) float32.

    Raises:
        ConversionError: The label is a number, or an earlier version of BigVocab exported the model.
        PredictError: The folder contains no model of BigVocab, or its files are damaged.
    """

    folder: Path
    pushed: PushedModel = field(init=False)
    about: Description = field(init=False)
    loaded: Any = field(init=False)
    vectors: NDArray[np.float32] = field(init=False)
    biases: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.pushed = PushedModel(self.folder)
        self.about = self.pushed.description
        if self.pushed.top_k is None:
            raise ConversionError(
                f"{self.folder}: the label is a number ({self.pushed.data.label}), so that there are no class vectors"
            )
        if not self.about.vectors:
            raise ConversionError(
                f"{self.folder} was exported by an earlier version of BigVocab, without the signatures of its vectors: "
                "run the pipeline again"
            )
        self.loaded = self.pushed.load()
        self.vectors, self.biases = self._classes()

    @property
    def facts(self) -> dict[str, Any]:
        """Facts about the signatures of the vectors: see `components.training.export.vectors`."""
        return self.about.vectors or {}

    @property
    def beside(self) -> str | None:
        """Part of the answers beside the softmax: `mixture`, `repeats` or None."""
        return self.facts["beside"]

    @property
    def approximate(self) -> bool:
        """True if the answers of `serving_default` are approximate."""
        return self.about.approximate

    @property
    def independent(self) -> bool:
        """True if the probability of a class is the sigmoid of its logit."""
        return self.about.loss == "sigmoid"

    @property
    def top_k(self) -> int:
        """Number of labels in an answer."""
        assert self.pushed.top_k is not None
        return self.pushed.top_k

    @property
    def arguments(self) -> dict[str, tf.TensorSpec]:
        """Shapes and types of the inputs of the encoder, by name. The first dimension, of the rows, is None."""
        return dict(self.loaded.signatures[ENCODE].structured_input_signature[1])

    @property
    def input_table(self) -> NDArray[np.float32] | None:
        """Vectors of the input ids, (ids, embedding) float32; None if the encoder has no such table."""
        for variable in self.loaded.weights:
            if variable.name == _INPUT_TABLE and variable.shape[0] == self.facts["padding"] + 1:
                return variable.numpy()
        return None

    def encode(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Return the queries of encoder inputs, (batch, width) float32.

        Args:
            inputs: Inputs by name, with the shapes and types of `arguments`.
        """
        return self.loaded.signatures[ENCODE](**inputs)[QUERY]

    def queries(self, examples: Sequence[bytes]) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Return the queries of serialized tf.Examples, (batch, width), and the inputs of the encoder by name.

        The inputs have the shapes and types of `arguments`.
        """
        found = {k: v.numpy() for k, v in self.loaded.signatures[QUERY](examples=tf.constant(examples)).items()}
        return found[QUERY], {name: found[name] for name in self.arguments}

    def answers(self, examples: Sequence[bytes]) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
        """Return the labels, as bytes, and the probabilities of `serving_default`, (batch, top_k) each.

        Args:
            examples: Serialized tf.Examples.
        """
        found = self.loaded.signatures["serving_default"](examples=tf.constant(examples))
        return found["labels"].numpy(), found["probabilities"].numpy()

    def scores(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the logits and the probabilities of all classes, (batch, classes) float64 each.

        Args:
            queries: (batch, width) float32.
        """
        logits = queries.astype(np.float64) @ self.vectors.T.astype(np.float64) + self.biases
        if self.independent:
            return logits, 1 / (1 + np.exp(-logits))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return logits, powers / powers.sum(axis=1, keepdims=True)

    def _classes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        signature, count = self.loaded.signatures[CLASSES], self.about.labels or 0
        parts = [
            signature(ids=tf.range(first, min(first + _CLASSES, count), dtype=tf.int64))
            for first in range(0, count, _CLASSES)
        ]
        vectors, biases = (np.concatenate([p[name].numpy() for p in parts]) for name in ("vectors", "biases"))
        return vectors, biases
