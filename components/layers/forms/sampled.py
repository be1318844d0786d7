"""Cross entropy over a sample of the classes."""

from __future__ import annotations

import abc

import tensorflow as tf

from components.layers.forms.base import Form, Step
from components.layers.losses import several_labels as several
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.one_label import candidates_loss

Candidates = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class Sampled(Form):
    """Cross entropy over each row's own label and candidates that all rows share: see `components.layers.losses`.

    A subclass selects the candidates.
    """

    supports_jit = True

    @abc.abstractmethod
    def candidates(self, step: Step) -> Candidates:
        """Select the classes of a step: each draw and each label once, with the correction of its logit.

        Args:
            step: Inputs of the loss.

        Returns:
            (n,) int32 classes: the candidates, followed by the labels that are not candidates; (candidates,) float32
            log(pi), 0 for a certain candidate and inf for a repetition; (batch,) int32 positions of the labels among
            the classes.
        """

    def losses(self, step: Step) -> tf.Tensor:
        """Return the cross entropy of each row over the candidates and its own label, (batch,) float32 nats."""
        classes, log_pi, own = self.candidates(step)
        # Reads only these rows: neither the step nor its gradient holds a tensor of the size of the table.
        rows, bias = step.rows(classes)
        return candidates_loss(step.hidden, rows, bias, log_pi, own, step.dtype)

    def losses_of_several(self, step: Step, labels: Labels, loss: LossName) -> tf.Tensor:
        """Return the loss of each row over the candidates and its own labels, (batch,) float32 nats."""
        classes, log_pi, own = self.candidates(step)
        rows, bias = step.rows(classes)
        return several.candidates_loss(step.hidden, rows, bias, log_pi, own, labels, loss, step.dtype)


def repeated(classes: tf.Tensor) -> tf.Tensor:
    """Return a mask of the ascending classes, True for each class that equals its predecessor."""
    return tf.concat([[False], classes[1:] == classes[:-1]], axis=0)
