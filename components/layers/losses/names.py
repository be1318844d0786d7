"""Names of the losses of rows with several labels, without the import of TensorFlow."""

from __future__ import annotations

from typing import Literal

LossName = Literal["softmax", "sigmoid"]
"""Kinds of loss, see `components.layers.losses.several_labels`."""
