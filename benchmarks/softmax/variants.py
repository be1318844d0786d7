"""Variants of the training step that the benchmark compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.softmax.problem import Problem

NAIVE = "naive"
KERAS_SAMPLED = "keras-sampled"
TEXTBOOK = "textbook"
DENSE = "dense"
ROWWISE = "rowwise"
ROWWISE_BF16 = "rowwise-bf16"
TORCH_SAMPLED = "torch-sampled"
PRODUCTS = "products"

_KERAS = "benchmarks.softmax.keras_steps"
_TORCH = "benchmarks.softmax.torch_steps"


@dataclass(frozen=True)
class Variant:
    """Variant of the training step of the output layer.

    Attributes:
        about: Description in one line.
        target: `module:class` of the workload.
        options: Keyword arguments of the workload.
        tables: Approximate number of matrices of the output table's size in memory at a time.
        logits: Number of (batch, classes) matrices in memory at a time; 0 if the step only uses a sample of classes.
    """

    about: str
    target: str
    tables: int
    logits: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def torch(self) -> bool:
        """True if the variant needs PyTorch."""
        return self.target.startswith(_TORCH)

    def memory(self, problem: Problem) -> int:
        """Estimate the memory of the variant, in bytes."""
        return 4 * problem.classes * (self.tables * (problem.width + 1) + self.logits * problem.batch)


def _ours(about: str, tables: int, logits: int = 0, **options: Any) -> Variant:
    return Variant(about, f"{_KERAS}:Ours", tables, logits, options)


VARIANTS: dict[str, Variant] = {
    NAIVE: Variant('Keras: Dense(classes, "softmax"), sparse cross entropy, Adam, in fit', f"{_KERAS}:Naive", 7, 4),
    KERAS_SAMPLED: Variant("Keras: SampledSoftmax, S=1,024, RowAdam, in fit", f"{_KERAS}:KerasSampled", 5),
    TEXTBOOK: Variant("TensorFlow: tf.nn.sampled_softmax_loss, S=1,024, Keras Adam", f"{_KERAS}:Textbook", 7),
    "full": _ours("ours: full softmax, exact Adam in one pass", 5, 2, optimizer="adam", form="full"),
    DENSE: _ours("ours: sampled, S=1,024, exact Adam in one pass over all rows", 5, optimizer="adam"),
    "dense-bf16": _ours("the same, bfloat16 logits", 5, optimizer="adam", logits_dtype="bfloat16"),
    ROWWISE: _ours("ours: sampled, S=1,024, Adam on the candidates' rows", 4, optimizer="row_adam"),
    ROWWISE_BF16: _ours("the same, bfloat16 logits", 4, optimizer="row_adam", logits_dtype="bfloat16"),
    "torch-full": Variant("PyTorch: Linear, cross entropy, fused Adam", f"{_TORCH}:Full", 5, 3),
    "torch-adaptive": Variant("PyTorch: AdaptiveLogSoftmaxWithLoss, fused Adam", f"{_TORCH}:Adaptive", 3),
    TORCH_SAMPLED: Variant("PyTorch: own label and S=1,024 shared draws, SparseAdam", f"{_TORCH}:Sampled", 4),
    PRODUCTS: Variant("TensorFlow: a sampled step's three matrix products alone, a floor", f"{_KERAS}:Products", 0),
}
