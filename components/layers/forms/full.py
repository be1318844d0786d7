"""Form `full`: all classes."""

from __future__ import annotations

import keras
import tensorflow as tf

from components.layers.forms.base import Form, Step
from components.layers.losses import several_labels as several
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.one_label import full_loss


@keras.saving.register_keras_serializable("bigvocab")
class Full(Form):
    """Cross entropy over all classes. The gradient of the table is dense."""

    supports_jit = True

    def losses(self, step: Step) -> tf.Tensor:
        """Return the cross entropy of each row over all classes, (batch,) float32 nats."""
        return full_loss(step.hidden, *step.all_rows(), step.labels, step.dtype)

    def losses_of_several(self, step: Step, labels: Labels, loss: LossName) -> tf.Tensor:
        """Return the loss of each row over all classes, (batch,) float32 nats."""
        return several.full_loss(step.hidden, *step.all_rows(), labels, loss, step.dtype)
