"""SavedModel in a graph session, as TensorFlow Serving runs it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.infra_validation.requests import Request


class Served:
    """SavedModel in a graph session, as TensorFlow Serving runs it. Some exports load only in eager mode.

    Args:
        path: Directory of the SavedModel.
        threads: Number of threads of TensorFlow.

    Attributes:
        signatures: `SignatureDef` messages by name.
    """

    def __init__(self, path: str, threads: int = 1) -> None:
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(self._session, [tf.saved_model.SERVING], path)
        self.signatures = dict(meta_graph.signature_def)  # pyright: ignore[reportAttributeAccessIssue]

    def answer(self, request: Request) -> dict[str, np.ndarray]:
        """Run a request, and return the outputs by name."""
        signature = self.signatures[request[0]]
        feed = {signature.inputs[name].name: value for name, value in request[1].items()}
        found = self._session.run({name: output.name for name, output in signature.outputs.items()}, feed)
        return {name: np.asarray(value) for name, value in found.items()}

    def close(self) -> None:
        """Free the memory of the variables."""
        self._session.close()
