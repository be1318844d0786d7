import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes.proposal import Proposal, alias_table
from tests.drawing import drawn


@drawn(200)
@given(st.lists(st.one_of(st.just(1.0), st.floats(1e-6, 1e6)), min_size=1, max_size=60))
def test_alias_table_holds_the_distribution(weights):
    probabilities = np.asarray(weights) / np.sum(weights)
    keep, other = alias_table(probabilities)
    assert ((keep >= 0) & (keep <= 1)).all()
    held = np.bincount(np.arange(len(keep)), keep.astype(np.float64), len(keep))
    held += np.bincount(other, 1 - keep.astype(np.float64), len(keep))
    np.testing.assert_allclose(held / len(keep), probabilities, rtol=1e-4, atol=2e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
def test_draws_follow_the_proposal_by_chi_square(alpha):
    proposal = Proposal(np.array([400, 200, 100, 50, 25, 12, 6, 3, 2, 0]), alpha, draws=2_000)
    expected = np.array([400, 200, 100, 50, 25, 12, 6, 3, 2, 0.5]) ** alpha
    expected /= expected.sum()
    np.testing.assert_allclose(proposal.probabilities, expected)
    found = sum(np.bincount(proposal.draw(tf.constant([1, step])), minlength=10) for step in range(50))
    n = found.sum()
    # Nine degrees of freedom: one seed in 100,000 exceeds 40.
    assert ((found - n * expected) ** 2 / (n * expected)).sum() < 40
    # The test can fail: a proposal that is a tenth uniform exceeds the bound.
    wrong = 0.9 * expected + 0.01 if alpha else np.arange(10, 20) / 145
    assert ((found - n * wrong) ** 2 / (n * wrong)).sum() > 40


def test_log_inclusion_is_how_often_a_class_is_drawn_at_all():
    proposal, steps = Proposal(np.array([40, 20, 10, 5, 2, 0]), 0.75, draws=6), 3_000
    draw = tf.function(proposal.draw)
    found = np.zeros(6)
    for step in range(steps):
        found[np.unique(draw(tf.constant([2, step])))] += 1
    pi = np.exp(proposal.log_inclusion(tf.range(6)))
    assert (np.abs(found / steps - pi) < 5 * np.sqrt(pi * (1 - pi) / steps)).all()


def test_rare_classes_of_a_million_keep_their_probability():
    # float32 sums over a million classes cannot distinguish the last classes.
    counts = np.concatenate([[10**8], np.ones(10**6 - 1, np.int64)])
    proposal = Proposal(counts, 1.0, draws=50_000)
    draws = np.concatenate([proposal.draw(tf.constant([3, step])) for step in range(40)])
    rare = draws[draws > 0]
    expected = len(draws) * (10**6 - 1) / counts.sum()
    assert abs(len(rare) - expected) < 5 * np.sqrt(expected)
    halves = np.bincount(rare >= 500_000, minlength=2)
    assert abs(halves[0] - halves[1]) < 5 * np.sqrt(len(rare))


def test_draws_follow_from_the_seed_also_under_xla():
    proposal = Proposal(np.arange(1, 40), 0.75, draws=100)
    eager = proposal.draw(tf.constant([5, 6])).numpy()
    np.testing.assert_array_equal(tf.function(proposal.draw, jit_compile=True)(tf.constant([5, 6])), eager)
    assert (proposal.draw(tf.constant([5, 7])).numpy() != eager).any()
