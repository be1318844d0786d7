"""Form `shared`: the labels of the whole batch and the negative samples."""

from __future__ import annotations

import keras
import tensorflow as tf

from components.layers.forms.base import Step
from components.layers.forms.sampled import Candidates, Sampled, repeated


@keras.saving.register_keras_serializable("bigvocab")
class Shared(Sampled):
    """Cross entropy over the labels of the whole batch and the draws: more candidates than `Own`, at more cost."""

    def candidates(self, step: Step) -> Candidates:
        """Select the draws and all labels of the batch as candidates."""
        return _fixed(step) if step.fixed_shape else _unique(step)


def _unique(step: Step) -> Candidates:
    """Return the distinct labels and draws, all of them candidates."""
    classes, where = tf.unique(tf.concat([step.labels, step.draw()], axis=0))
    own = where[: tf.shape(step.labels)[0]]
    of_batch = tf.range(tf.shape(classes)[0]) <= tf.reduce_max(own)
    return classes, tf.where(of_batch, 0.0, step.proposal.log_inclusion(classes)), own


def _fixed(step: Step) -> Candidates:
    """Return the candidates of `_unique` as S + batch classes, with repetitions masked instead of removed."""
    classes = tf.sort(tf.concat([step.labels, step.draw()], axis=0))
    own = tf.searchsorted(classes, step.labels)
    of_batch = tf.scatter_nd(own[:, tf.newaxis], tf.ones_like(step.labels, tf.float32), tf.shape(classes)) > 0
    log_pi = tf.where(of_batch, 0.0, step.proposal.log_inclusion(classes))
    return classes, tf.where(repeated(classes), float("inf"), log_pi), own
