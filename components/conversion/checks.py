"""Comparison of vectors and converted models with the pushed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.conversion.errors import ConversionError
from components.conversion.model import VectorModel
from components.messages.exit_codes import FAILED

TOLERANCE = 1e-4
"""Largest absolute difference of a probability, and relative difference of a query."""
TOP = 10


@dataclass(frozen=True)
class Comparison:
    """Comparison of the product of vectors with the answers of the pushed model.

    Attributes:
        rows: Number of rows.
        agreement: Mean share of the first 10 labels of an answer that are among the 10 largest products.
        difference: Largest absolute difference of the probability of a label; None if the model's answers differ by
            design, because of a mixture, repeats or an approximate search.
    """

    rows: int
    agreement: float
    difference: float | None


def compare(
    model: VectorModel, labels: Sequence[str], examples: Sequence[bytes], queries: NDArray[np.float32]
) -> Comparison:
    """Compare the products of queries and class vectors with the answers of `serving_default`.

    Args:
        model: Pushed model.
        labels: Label of each class, in the order of the ids.
        examples: Serialized tf.Examples, one for each row.
        queries: Queries of the examples, (rows, width) float32.

    Raises:
        ConversionError: The answers differ, with the exit code `FAILED`.
    """
    answered, probabilities = model.answers(examples)
    ids = {label.encode(): place for place, label in enumerate(labels)}
    chosen = np.array([[ids[label] for label in row] for row in answered])
    logits, own = model.scores(queries)
    top = min(TOP, chosen.shape[1])
    # Of equal logits, any may be the last.
    least = np.sort(logits, axis=1)[:, -top] - 1e-4
    agreement = float((np.take_along_axis(logits, chosen[:, :top], axis=1) >= least[:, np.newaxis]).mean())
    if model.beside is not None or model.approximate:
        return Comparison(len(examples), agreement, None)
    difference = float(np.abs(np.take_along_axis(own, chosen, axis=1) - probabilities).max())
    if difference > TOLERANCE or agreement < 1:
        raise ConversionError(
            f"the products of the vectors differ from the answers of {model.folder} by {difference:.2g} in "
            f"probability, and {agreement:.1%} of the first {top} labels agree: nothing was written",
            FAILED,
        )
    return Comparison(len(examples), agreement, difference)
