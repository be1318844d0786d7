"""A SavedModel loaded the way TensorFlow Serving loads it: into a graph session, tables and variables restored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


class Servable:
    """The signatures of a SavedModel, run in a graph session.

    TensorFlow Serving does not use TF2's `tf.saved_model.load`: it imports the meta graph tagged `serve`, restores the
    variables, fills in the paths of the assets and runs the initialiser of the tables. A Keras model written by
    `tf.saved_model.save` passes the first and fails here, which is why this is the check that counts.

    Args:
        path: directory of the SavedModel, with `saved_model.pb` in it.
        threads: threads within and between operations.

    Raises:
        Exception: what TensorFlow raises for a broken export (no `saved_model.pb`, variables or an asset missing).
    """

    def __init__(self, path: str, threads: int = 1) -> None:
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._session = tf.compat.v1.Session(graph=self._graph, config=config)
            meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], path)
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)  # pyright: ignore[reportAttributeAccessIssue]

    def predict(
        self, signature_name: str, inputs: Mapping[str, np.ndarray], only: Iterable[str] = ()
    ) -> dict[str, np.ndarray]:
        """Answers of a signature.

        Args:
            signature_name: a key of `signatures`.
            inputs: a value for every input of the signature, no more and no fewer, as TensorFlow Serving demands.
            only: names of the outputs wanted; all of them when empty.

        Raises:
            KeyError: no such signature or output.
            ValueError: inputs other than the signature's.
        """
        if signature_name not in self.signatures:
            raise KeyError(f"no signature '{signature_name}': the model has {', '.join(sorted(self.signatures))}")
        signature = self.signatures[signature_name]
        if set(inputs) != set(signature.inputs):
            raise ValueError(
                f"signature '{signature_name}' takes {sorted(signature.inputs)}, and was given {sorted(inputs)}"
            )
        wanted = list(only) or list(signature.outputs)
        unknown = [name for name in wanted if name not in signature.outputs]
        if unknown:
            raise KeyError(f"signature '{signature_name}' has no output {unknown}")
        feed = {signature.inputs[name].name: value for name, value in inputs.items()}
        fetch = {name: signature.outputs[name].name for name in wanted}
        return self._session.run(fetch, feed)

    def close(self) -> None:
        """Gives the session's memory back."""
        self._session.close()
