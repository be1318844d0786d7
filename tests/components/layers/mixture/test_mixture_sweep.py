"""Tests of the mixture over all classes against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.counting import packed
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.models.tables import pairs_of, tables_of
from components.layers.head import SampledSoftmax
from components.layers.mixture import sweep as module
from components.layers.mixture.layer import NgramMixture
from components.layers.mixture.lookup import Sources
from components.layers.mixture.sweep import mixture_sweep
from components.layers.outputs import ClassOutput
from tests.drawing import drawn


def problem(
    rng: np.random.Generator, classes: int, order: int, most: int | None, cache: int = 0, pairs: int = 0
) -> tuple[NgramMixture, KneserNey]:
    contexts, labels = rng.integers(0, 4, (30, order - 1)), rng.integers(0, classes, 30)
    keys, counts = np.unique(packed(contexts, labels, classes + 2, classes), return_counts=True)
    sizes = {"order": order, "n_contexts": classes + 2, "n_classes": classes, "most": most}
    tables = tables_of(keys, counts, **sizes)
    if pairs:
        joint, often = np.unique(np.sort(rng.integers(0, classes, (40, 2))) @ [classes, 1], return_counts=True)
        tables = replace(tables, pairs=pairs_of(joint, often, classes, most, symmetric=True))
    mixture = NgramMixture(tables, cache, pairs)
    mixture.build((None, 2))
    return mixture, KneserNey(keys, counts, **sizes)


def conditional(mixture: NgramMixture, token: int, unigrams: np.ndarray) -> np.ndarray:
    """Return P(j | token) of the pairs for every class j, from the table alone."""
    order, classes = mixture.pairs.order, len(unigrams)
    at = int(np.flatnonzero(order.contexts.numpy() == token)[0])
    start, end = order.starts.numpy()[at : at + 2]
    total, pruned = float(order.totals.numpy()[at]), float(order.pruned.numpy()[at])
    p = (order.discount * (end - start) + pruned) / total * unigrams
    p[order.keys.numpy()[start:end] % classes] += (order.counts.numpy()[start:end] - order.discount) / total
    return p


@pytest.mark.slow
@drawn(40)
@given(
    st.integers(0, 6),
    st.integers(2, 9),
    st.integers(1, 3),
    st.sampled_from([None, 4]),
    st.sampled_from([2, 3, 100]),
    st.sampled_from([0, 1, 5]),
    st.sampled_from([0, 1, 3]),
    st.integers(0, 10**6),
)
def test_sweep_is_the_mixture_however_it_is_cut(
    rows: int, classes: int, order: int, most: int | None, chunk: int, cache: int, pairs: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mixture, baseline = problem(rng, classes, order, most, cache, pairs)
    hidden, table = (rng.integers(-1, 2, shape).astype(np.float32) for shape in ((rows, 2), (classes, 2)))
    bias = rng.integers(-1, 2, classes).astype(np.float32)
    context, labels = rng.integers(0, 4, (rows, max(order - 1, cache, pairs))), rng.integers(-1, classes, rows)
    if cache or pairs:  # Some rows begin later, one of them with the label.
        context[:, : context.shape[1] // 2] = classes + 1
        context[: rows // 3] = classes + 1
    k = min(3, classes)
    known = tf.constant(np.maximum(labels, 0))
    sources = Sources(mixture.counts, mixture.others)
    lookup = sources.find(tf.constant(context), known)
    gate = rng.normal(size=(rows, 2 + len(mixture.others)))
    for part, missing in enumerate(lookup.empty, start=2):
        gate[missing.numpy(), part] = -1e9
    shares = np.exp(gate) / np.exp(gate).sum(axis=1, keepdims=True)
    log_shares = tf.nn.log_softmax(tf.constant(gate, tf.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLASSES", chunk)
        given_ = (tf.constant(hidden), table, bias, log_shares, sources, lookup)
        result, unlabelled = mixture_sweep(*given_, labels, k), mixture_sweep(*given_, k=k)
    logits = hidden.astype(np.float64) @ table.T + bias
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    latest = context[:, context.shape[1] - order + 1 :]
    counted = np.asarray([baseline.probabilities(row) for row in latest]).reshape(rows, classes)
    p = shares[:, :1] * softmax + shares[:, 1:2] * counted
    if cache:
        weights = lookup.parts[0].weights.numpy().astype(np.float64)
        for row, token in zip(*np.nonzero(context[:, -cache:] < classes), strict=True):
            p[row, context[row, context.shape[1] - cache + token]] += shares[row, 2] * weights[row, token]
    if pairs:
        weights = lookup.parts[-1].weights.numpy().astype(np.float64)
        unigrams = mixture.counts.all_unigrams().numpy().astype(np.float64)
        for row, place in zip(*np.nonzero(weights), strict=True):
            given = conditional(mixture, lookup.parts[-1].tokens.numpy()[row, place], unigrams)
            p[row] += shares[row, -1] * weights[row, place] * given
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-5)
    for row, label in enumerate(labels):
        if label < 0:
            assert (result.nll[row], result.rank[row]) == (0.0, classes + 1)
            continue
        np.testing.assert_allclose(result.nll[row], -np.log(p[row, label]), atol=1e-5)
        # Rounding to float32 may separate or join what is equal in float64.
        near = np.isclose(p[row], p[row, label], rtol=1e-5, atol=0)
        above = int(((p[row] > p[row, label]) & ~near).sum())
        assert above < result.rank[row] <= above + near.sum()
    np.testing.assert_array_equal(result.ids, unlabelled.ids)
    best = np.take_along_axis(p, np.asarray(result.ids), axis=1)
    np.testing.assert_allclose(result.probabilities, best, rtol=1e-4)
    np.testing.assert_allclose(best, -np.sort(-p, axis=1)[:, :k], rtol=1e-4)


@pytest.mark.parametrize("chunk", [3, 100])
def test_the_smaller_id_of_equal_classes_comes_first(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLASSES", chunk)
    # Classes 1, 3, 5 and 7 are alike to the softmax and to the counts, which have only seen class 0.
    keys = np.array([0 * 8 + 0])
    mixture = NgramMixture(tables_of(keys, np.array([5]), order=2, n_contexts=10, n_classes=8))
    mixture.build((None, 2))
    table = np.tile(np.float32([[-1, 0], [0.3, 0.1]]), (4, 1))
    hidden, context, labels = tf.ones((4, 2)), tf.constant([[0], [0], [9], [9]]), tf.constant([5, 3, 1, 7])
    found = mixture.sweep(hidden, (hidden, table, np.zeros(8, np.float32)), context, labels, k=8)
    best = [1, 3, 5, 7]
    for row, label in enumerate(labels.numpy()):
        ranked = found.ids[row].numpy().tolist()
        assert [each for each in ranked if each in best] == best
        assert found.rank[row] == 1 + ranked.index(label)


def test_few_probabilities_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    mixture, _ = problem(rng, classes=30, order=3, most=None)
    hidden, table = (rng.normal(size=shape).astype(np.float32) for shape in ((50, 2), (30, 2)))
    context, labels = tf.constant(rng.integers(0, 4, (50, 2))), tf.constant(rng.integers(0, 30, 50))
    given_ = (hidden, (tf.constant(hidden), table, np.zeros(30, np.float32)), context, labels, 2)
    whole = mixture.sweep(*given_)
    held = []
    softmax = tf.nn.softmax
    monkeypatch.setattr(module.tf.nn, "softmax", lambda logits: (held.append(int(tf.size(logits))), softmax(logits))[1])
    monkeypatch.setattr(module, "LOGITS", 200)
    few = mixture.sweep(*given_)
    assert max(held) <= 200
    for one, other in zip(whole, few, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_more_answers_than_classes_are_refused() -> None:
    mixture, _ = problem(np.random.default_rng(0), classes=3, order=2, most=None)
    with pytest.raises(ValueError, match="3 classes"):
        mixture.sweep(tf.zeros((1, 2)), (tf.zeros((1, 2)), tf.zeros((3, 2)), tf.zeros(3)), tf.zeros((1, 1)), k=4)


@pytest.mark.parametrize(("mixed", "cache", "pairs"), [(True, 0, 0), (True, 4, 0), (True, 4, 3), (False, 0, 0)])
def test_scores_of_single_classes_rank_like_the_sweep(mixed: bool, cache: int, pairs: int) -> None:
    rng = np.random.default_rng(3)
    classes, rows = 12, 5
    mixture, _ = problem(rng, classes, 3, None, cache, pairs)
    output = ClassOutput(SampledSoftmax(np.arange(classes, 0, -1), 4), mixture if mixed else None)
    output.build((None, 2))
    output.head.table.assign(rng.normal(size=(classes, 2)))
    output.temperature.assign(1.7)
    hidden = tf.constant(rng.normal(size=(rows, 2)), tf.float32)
    context = tf.constant(rng.integers(0, classes + 2, (rows, max(2, cache))))
    of, ids = np.repeat(np.arange(rows), classes), np.tile(np.arange(classes), rows)
    scores = output.scorer(hidden, context)(of, ids).numpy().reshape(rows, classes)
    swept = output.sweep(hidden, k=classes, context=context)
    np.testing.assert_array_equal(np.argsort(-scores, axis=1, kind="stable"), swept.ids)
    if mixed:
        best = np.take_along_axis(scores, swept.ids.numpy(), axis=1)
        np.testing.assert_allclose(np.exp(best), swept.probabilities, rtol=1e-4)
