"""Mean and standard deviation of the numbers that a model is to answer."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.names import name_of
from components.preprocessing.moments import Moments
from components.training.layout import LABEL, Layout
from components.training.windows import target_columns


@dataclass(frozen=True)
class Standard:
    """Mean and deviation that a number is standardized by, in its own units.

    Attributes:
        mean: over the training windows that have it.
        deviation: its standard deviation; 0 for a constant, which is answered by its mean.
    """

    mean: float
    deviation: float


def number_moments(files: Sequence[str], layout: Layout) -> dict[str, Standard]:
    """Compute mean and deviation of each target that is a number, `label` among them, in one pass over the files.

    Args:
        files: TFRecords (gzip) of Transform, the train split; not read where no target is a number.
        layout: what a window is made of.

    Raises:
        ValueError: a target has no value in any window with a known label.
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
