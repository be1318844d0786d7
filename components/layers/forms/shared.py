"""Form `shared`: the labels of the whole batch, and the negative samples."""

from __future__ import annotations

import keras
import tensorflow as tf

from components.layers.forms.base import Step
from components.layers.forms.sampled import Candidates, Sampled, repeated
from components.layers.proposal import Proposal


@keras.saving.register_keras_serializable("bigvocab")
class Shared(Sampled):
    """Cross entropy over the labels of the whole batch and the draws: more candidates than `Own`, at more cost."""

    def candidates(self, step: Step) -> Candidates:
        """Select the draws and all labels of the batch as candidates."""
        select = _fixed if step.fixed_shape else _unique
        return select(step.proposal, step.draw(), step.labels)


def _unique(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return the distinct labels and draws, all of them candidates.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    classes, where = tf.unique(tf.concat([labels, draws], axis=0))
    own = where[: tf.shape(labels)[0]]
    of_batch = tf.range(tf.shape(classes)[0]) <= tf.reduce_max(own)
    return classes, tf.where(of_batch, 0.0, proposal.log_inclusion(classes)), own


def _fixed(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return `_unique` in S + batch classes, where repetitions are masked in place of removed.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    classes = tf.sort(tf.concat([labels, draws], axis=0))
    own = tf.searchsorted(classes, labels)
    of_batch = tf.scatter_nd(own[:, tf.newaxis], tf.ones_like(labels, tf.float32), tf.shape(classes)) > 0
    log_pi = tf.where(of_batch, 0.0, proposal.log_inclusion(classes))
    return classes, tf.where(repeated(classes), float("inf"), log_pi), own
