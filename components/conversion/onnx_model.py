"""Pushed model as an ONNX file, from the inputs of its encoder to the most probable classes.

The file has no texts: it takes ids and features as Transform computes them, and returns ids of classes. It contains the
softmax, without the parts that a mixture or repeats add.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.conversion.checks import TOLERANCE
from components.conversion.errors import ConversionError
from components.conversion.model import VectorModel
from components.conversion.operations import HANDLERS
from components.messages.exit_codes import FAILED

FILE, OPSET = "model.onnx", 18
OUTPUTS = ("query", "ids", "probabilities")
# Largest size of a protobuf message.
_MOST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Written:
    """Converted model.

    Attributes:
        file: The file.
        difference: Largest difference from TensorFlow: of a probability, or of a query relative to its largest number.
    """

    file: Path
    difference: float


def write(folder: Path, model: VectorModel, inputs: Mapping[str, NDArray[Any]]) -> Written:
    """Write a model as an ONNX file, and compare its answers with those of TensorFlow.

    Args:
        folder: Folder for the file.
        model: Pushed model.
        inputs: Inputs of the encoder for the rows of the comparison, by name, (rows, ...) each.

    Raises:
        ConversionError: A package is missing, the model is too large, the encoder has an operation without a form in
            ONNX, or, with the exit code `FAILED`, the answers differ.
    """
    _require()
    if model.vectors.nbytes > _MOST_BYTES:
        raise ConversionError(
            f"an ONNX file holds at most 2 GB, and the class vectors have {model.vectors.nbytes / 1e9:.1f} GB: use "
            "--format npz"
        )
    file = folder / FILE
    missing = _converted(file, model)
    if missing:
        raise ConversionError(
            f"the encoder of {model.folder} has operations without a form in ONNX: {', '.join(missing)}; use --format "
            "npz, whose queries come from the signature `query`"
        )
    return Written(file, _checked(file, model, inputs))


def _require() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ConversionError(f"--format onnx needs the package {error.name}: pip install 'bigvocab[onnx]'") from error


def _converted(file: Path, model: VectorModel) -> Sequence[str]:
    """Write the file, and return the operations that have no form in ONNX."""
    import onnx
    import tf2onnx

    names = list(model.arguments)
    specs = [tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in model.arguments.items()]
    top = model.top_k

    def answer(*given: tf.Tensor) -> dict[str, tf.Tensor]:
        query = model.encode(dict(zip(names, given, strict=True)))
        logits = tf.matmul(query, tf.constant(model.vectors.T)) + tf.constant(model.biases)
        probabilities = tf.sigmoid(logits) if model.independent else tf.nn.softmax(logits)
        largest, ids = tf.math.top_k(probabilities, top)
        return dict(zip(OUTPUTS, (query, ids, largest), strict=True))

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = tf.function(answer, input_signature=specs, autograph=False)
    try:
        proto, _ = tf2onnx.convert.from_function(
            function, specs, opset=OPSET, custom_op_handlers={name: (of, []) for name, of in HANDLERS.items()}
        )
    except Exception as error:  # tf2onnx has many errors for an operation that it cannot convert.
        raise ConversionError(f"tf2onnx cannot convert {model.folder}: {error}", FAILED) from error
    missing = sorted({n.op_type for n in _nodes(proto.graph) if not onnx.defs.has(n.op_type, n.domain)})
    if not missing:
        onnx.save(proto, file)
    return missing


def _nodes(graph: Any) -> Sequence[Any]:
    """Return the nodes of a graph and of its subgraphs."""
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(node for part in inner for node in _nodes(part))]


def _checked(file: Path, model: VectorModel, inputs: Mapping[str, NDArray[Any]]) -> float:
    """Return the largest difference between the answers of the file and those of TensorFlow."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    query, ids, probabilities = (np.asarray(each) for each in session.run(OUTPUTS, dict(inputs)))
    expected = model.encode({name: tf.constant(value) for name, value in inputs.items()}).numpy()
    _, all_probabilities = model.scores(expected)
    own = np.take_along_axis(all_probabilities, ids.astype(np.int64), axis=1)
    best = -np.sort(-all_probabilities, axis=1)[:, : model.top_k]
    difference = max(
        float(np.abs(query - expected).max() / np.abs(expected).max()),
        float(np.abs(probabilities - own).max()),
        # The classes of the file must be those with the largest probabilities.
        float(np.abs(probabilities - best).max()),
    )
    if difference > TOLERANCE:
        raise ConversionError(
            f"the ONNX file differs from {model.folder} by {difference:.2g}, more than {TOLERANCE:g}: nothing was "
            "written",
            FAILED,
        )
    return difference
