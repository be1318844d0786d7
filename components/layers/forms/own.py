"""Form `own`: each row's own label, and the negative samples."""

from __future__ import annotations

import keras
import tensorflow as tf

from components.layers.forms.base import Step
from components.layers.forms.sampled import Candidates, Sampled, repeated
from components.layers.proposal import Proposal


@keras.saving.register_keras_serializable("bigvocab")
class Own(Sampled):
    """Cross entropy over each row's own label and the draws, which all rows share."""

    def candidates(self, step: Step) -> Candidates:
        """Select the draws as candidates. A label that is not drawn counts in its own row only."""
        select = _fixed if step.fixed_shape else _unique
        return select(step.proposal, step.draw(), step.labels)


def _unique(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return the distinct draws as candidates, then the other labels.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    # unique() keeps the order: the draws come first.
    classes, where = tf.unique(tf.concat([draws, labels], axis=0))
    candidates = tf.reduce_max(where[: proposal.draws]) + 1
    return classes, proposal.log_inclusion(classes[:candidates]), where[proposal.draws :]


def _fixed(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return `_unique` in S + batch classes, where repetitions are masked in place of removed.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    drawn = tf.sort(draws)
    log_pi = tf.where(repeated(drawn), float("inf"), proposal.log_inclusion(drawn))
    place = tf.minimum(tf.searchsorted(drawn, labels), proposal.draws - 1)
    after = proposal.draws + tf.range(tf.shape(labels)[0])
    own = tf.where(tf.gather(drawn, place) == labels, place, after)
    return tf.concat([drawn, labels], axis=0), log_pi, own
