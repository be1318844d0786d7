"""The classes of a training step: each draw and each label once, with the correction of its logit.

Each function returns (n,) int32 classes, the candidates and after them the labels that are no candidates;
(candidates,) float32 log(pi), which is 0 for a candidate that is certain and inf for a repetition; (batch,) int32
positions of the labels among the classes.
"""

from __future__ import annotations

import tensorflow as tf

from components.layers.proposal import Proposal

Candidates = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


def unique_own(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
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


def unique_shared(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
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


def fixed_own(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return `unique_own` in S + batch classes, where repetitions are masked in place of removed.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    drawn = tf.sort(draws)
    log_pi = tf.where(_repeated(drawn), float("inf"), proposal.log_inclusion(drawn))
    place = tf.minimum(tf.searchsorted(drawn, labels), proposal.draws - 1)
    after = proposal.draws + tf.range(tf.shape(labels)[0])
    own = tf.where(tf.gather(drawn, place) == labels, place, after)
    return tf.concat([drawn, labels], axis=0), log_pi, own


def fixed_shared(proposal: Proposal, draws: tf.Tensor, labels: tf.Tensor) -> Candidates:
    """Return `unique_shared` in S + batch classes, where repetitions are masked in place of removed.

    Args:
        proposal: Source of the draws.
        draws: (S,) int32 classes.
        labels: (batch,) int32 classes.
    """
    classes = tf.sort(tf.concat([labels, draws], axis=0))
    own = tf.searchsorted(classes, labels)
    of_batch = tf.scatter_nd(own[:, tf.newaxis], tf.ones_like(labels, tf.float32), tf.shape(classes)) > 0
    log_pi = tf.where(of_batch, 0.0, proposal.log_inclusion(classes))
    return classes, tf.where(_repeated(classes), float("inf"), log_pi), own


def _repeated(classes: tf.Tensor) -> tf.Tensor:
    """Return which of ascending classes equal the one before."""
    return tf.concat([[False], classes[1:] == classes[:-1]], axis=0)
