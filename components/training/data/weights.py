"""Weights of the labels in training.

With row weights w, a step minimizes the mean over the N labels of its batch of

    loss = 1/N sum_i (w_i / m) l_i,     m = mean of w over the labels of the train split

Labels are drawn uniformly into batches, so the expected gradient of a step is that of sum_i w_i l_i / sum_i w_i, the
weighted mean over the train split. The sum of the weights of the batch as the denominator would give a label a greater
share in a batch of small weights, and the expectation would differ. m keeps the size of a step independent of the unit
of the weights. Labels with weight 0 are left out of the batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from components.names import WEIGHT as WEIGHT
from components.training.data.layout import Batch, Layout

if TYPE_CHECKING:
    from components.training.data.windows import Windows


def label_weights(windows: Windows, features: Batch, layout: Layout) -> tf.Tensor:
    """Return the weight of the label of each window, (windows,) float32, in the units of the column.

    Args:
        windows: Windows. In shape `sequence`, the label of a window follows its last token.
        features: Parsed rows.
        layout: Layout of an example, with weights.
    """
    if layout.shape == "sequence":
        return tf.gather(features[WEIGHT].values, windows.ends)
    return tf.gather(features[WEIGHT], windows.rows)


def mean_weight(targets: tf.data.Dataset) -> float:
    """Return the mean weight of the labels in batches of targets, 1 without labels.

    Args:
        targets: Targets of the windows of a split, see `windows.target_columns`.
    """
    total, count = 0.0, 0
    for batch in targets.as_numpy_iterator():
        total += float(batch[WEIGHT].sum(dtype=np.float64))
        count += len(batch[WEIGHT])
    return total / count if count else 1.0
