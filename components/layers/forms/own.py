"""Form `own`: the own label of each row and the negative samples."""

from __future__ import annotations

import keras
import tensorflow as tf

from components.layers.forms.base import Step
from components.layers.forms.sampled import Candidates, Sampled, repeated


@keras.saving.register_keras_serializable("bigvocab")
class Own(Sampled):
    """Cross entropy over the own label of each row and the draws, which all rows share."""

    def candidates(self, step: Step) -> Candidates:
        """Select the draws as candidates. A label that is not drawn counts only in its own row."""
        return _fixed(step) if step.fixed_shape else _unique(step)


def _unique(step: Step) -> Candidates:
    """Return the distinct draws as candidates, followed by the other labels."""
    # unique() keeps the order, so the draws come first.
    classes, where = tf.unique(tf.concat([step.draw(), step.labels], axis=0))
    candidates = tf.reduce_max(where[: step.proposal.draws]) + 1
    return classes, step.proposal.log_inclusion(classes[:candidates]), where[step.proposal.draws :]


def _fixed(step: Step) -> Candidates:
    """Return the candidates of `_unique` as S + batch classes, with repetitions masked instead of removed."""
    proposal, labels = step.proposal, step.labels
    drawn = tf.sort(step.draw())
    log_pi = tf.where(repeated(drawn), float("inf"), proposal.log_inclusion(drawn))
    place = tf.minimum(tf.searchsorted(drawn, labels), proposal.draws - 1)
    after = proposal.draws + tf.range(tf.shape(labels)[0])
    own = tf.where(tf.gather(drawn, place) == labels, place, after)
    return tf.concat([drawn, labels], axis=0), log_pi, own
