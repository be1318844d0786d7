"""Mean and standard deviation of the targets that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.names import name_of
from components.preprocessing.columns.moments import Moments
from components.training.data.batches import target_columns
from components.training.data.layout import LABEL, Layout


@dataclass(frozen=True)
class Standard:
    """Mean and standard deviation by which a target is standardized, in the units of the target.

    Attributes:
        mean: Mean over the training windows that have the target.
        deviation: Standard deviation; 0 for a constant target, for which the model predicts the mean.
    """

    mean: float
    deviation: float


def number_moments(files: Sequence[str], layout: Layout) -> dict[str, Standard]:
    """Compute the mean and deviation of each target that is a number, including `label`, in one pass over the files.

    Args:
        files: TFRecords (gzip) of Transform, train split. Not read if no target is a number.
        layout: Layout of a window.

    Raises:
        ValueError: A target has no value in any window with a known label.
    """
    names = (*([LABEL] if layout.label_kind == "number" else []), *layout.target_numbers)
    if not names:
        return {}
    found = {name: Moments() for name in names}
    for targets in target_columns(files, layout).as_numpy_iterator():
        found = {name: moments + Moments.of(targets[name]) for name, moments in found.items()}
    empty = [name_of(name) for name, moments in found.items() if not moments.count]
    if empty:
        raise ValueError(f"the train split has no number to learn from in {', '.join(empty)}")
    return {name: Standard(moments.mean, moments.deviation) for name, moments in found.items()}
