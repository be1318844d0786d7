"""Tests of the pooling and the n-grams of the default encoder."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.encoders.shared_projection import ngrams as module
from components.layers.encoders.shared_projection.ngrams import FrequentNgrams, most_frequent
from components.layers.encoders.shared_projection.pooling import AttentionPooling
from tests.components.layers.encoders.conftest import PADDING, make
from tests.drawing import drawn

KIND = "shared_projection, n-grams"


def pooling(rng: np.random.Generator, num_heads: int = 2) -> AttentionPooling:
    layer = AttentionPooling(PADDING + 1, num_heads)
    layer.build([(None, 5, 3), (None, 4)])
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return layer


def ngrams(ids: int, longest: int, frequent: int, width: int = 2, **options: float) -> FrequentNgrams:
    layer = FrequentNgrams(ids, longest, frequent, width, **options)
    layer.build((None, longest))
    return layer


def test_pooling_is_the_mean_by_its_weights() -> None:
    rng = np.random.default_rng(1)
    layer = pooling(rng)
    ids, embedded, query = rng.integers(0, PADDING, (2, 5)), rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 4))
    ids[0, :2] = PADDING
    found = layer(embedded.astype(np.float32), query.astype(np.float32), ids)
    salience, place, asking = (np.asarray(v) for v in (*layer.salience.weights, layer.place, *layer.query.weights))
    for row in range(2):
        for head in range(2):
            asked = query[row] @ asking[:, 3 * head : 3 * head + 3]
            scores = salience[ids[row], head] + place[:, head] + embedded[row] @ asked
            weights = np.exp(scores) * (ids[row] != PADDING)
            np.testing.assert_allclose(found[row, head], weights @ embedded[row] / weights.sum(), rtol=1e-4, atol=1e-5)


def test_pooling_nothing_but_padding_is_finite() -> None:
    rng = np.random.default_rng(2)
    ids = np.full((1, 5), PADDING)
    assert np.isfinite(pooling(rng)(np.ones((1, 5, 3), np.float32), np.ones((1, 4), np.float32), ids)).all()


def test_every_length_of_n_gram_has_a_key_that_its_ids_alone_decide() -> None:
    layer = ngrams(ids=20, longest=3, frequent=10)
    keys = np.asarray(layer.keys_of(tf.constant([[1, 5, 6, 7], [2, 5, 6, 7], [1, 9, 6, 7], [1, 5, 7, 6]])))
    assert (keys[0] == keys[1]).all()  # Only the last three ids count.
    assert keys[0, 0] == keys[2, 0]
    assert keys[0, 1] != keys[2, 1]
    assert keys[0, 0] != keys[3, 0]
    assert len(set(keys[0])) == 2


def test_no_two_n_grams_have_one_key() -> None:
    layer = ngrams(ids=60, longest=3, frequent=1)
    triples = np.stack(np.meshgrid(*[np.arange(60)] * 3), axis=-1).reshape(-1, 3)
    keys = np.asarray(layer.keys_of(tf.constant(triples)))
    assert len(np.unique(keys[:, 1])) == 60**3
    assert len(np.unique(keys)) == 60**3 + 60**2


def test_the_most_frequent_n_grams_have_rows_by_frequency_and_all_others_the_last() -> None:
    layer = ngrams(ids=9, longest=2, frequent=2)
    assert layer.counted() == []
    np.testing.assert_array_equal(layer.rows(tf.constant([[1, 2]])), [[2]])  # No n-gram has been counted yet.
    layer.count(tf.constant(pairs) for pairs in ([[1, 2], [3, 4], [1, 2]], [[5, 6], [3, 4], [1, 2]]))
    np.testing.assert_array_equal(layer.rows(tf.constant([[1, 2], [3, 4], [5, 6], [2, 1]])), [[0], [1], [2], [2]])
    assert layer.counted() == np.asarray(layer.keys_of(tf.constant([[1, 2], [3, 4]])))[:, 0].astype(str).tolist()


def test_fewer_n_grams_than_rows() -> None:
    layer = ngrams(ids=9, longest=2, frequent=100)
    layer.count([tf.constant([[1, 2], [3, 4], [3, 4]])])
    np.testing.assert_array_equal(layer.rows(tf.constant([[3, 4], [1, 2], [7, 7]])), [[0], [1], [100]])
    assert len(layer.counted()) == 2


@drawn(60)
@given(st.lists(st.lists(st.integers(-4, 4))), st.integers(1, 12), st.sampled_from([3, 1_000]))
def test_counting_is_exact_as_long_as_there_is_room(parts: list[list[int]], size: int, counted: int) -> None:
    counts = Counter(key for part in parts for key in part)
    with pytest.MonkeyPatch.context() as patch:
        # At most nine keys occur, and none is dropped if the capacity is nine.
        patch.setattr(module, "COUNTED", max(counted, 9))
        keys, found = most_frequent((np.asarray(part, np.int64) for part in parts), size)
    expected = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]
    assert list(zip(keys.tolist(), found.tolist(), strict=True)) == expected


def test_the_rarest_are_forgotten_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTED", 100)
    rng = np.random.default_rng(5)
    parts = [np.concatenate([np.repeat(np.arange(5), 4), rng.integers(100, 10**9, 90)]) for _ in range(50)]
    keys, counts = most_frequent(parts, 5)
    assert keys.tolist() == list(range(5))
    assert counts.tolist() == [200] * 5


def test_n_grams_are_dropped_whole_and_kept_in_the_mean() -> None:
    layer = ngrams(ids=9, longest=2, frequent=50, width=4, dropout=0.5, rate=0.3)
    layer.table.embeddings.assign(np.random.default_rng(4).normal(size=(51, 4)))
    ids = tf.ones((4_000, 2), tf.int32)
    kept, drawn = np.asarray(layer(ids)), np.asarray(layer(ids, dropout_seed=tf.constant([1, 2])))
    whole_rows = np.isclose(drawn, 2 * kept, rtol=1e-5).all(axis=1)
    assert ((drawn == 0).all(axis=1) | whole_rows).all()
    assert abs(whole_rows.mean() - 0.5) < 0.04  # Five standard deviations.


def test_an_n_gram_of_one_id_is_refused() -> None:
    with pytest.raises(ValueError, match="2 ids or more"):
        FrequentNgrams(9, 1, 10, 2)


def test_n_grams_keep_their_keys_when_the_vocabulary_is_numbered_otherwise() -> None:
    before, after = ngrams(ids=5, longest=3, frequent=9), ngrams(ids=6, longest=3, frequent=9)
    before.name_ids(["the", "union", "of"])  # An out-of-vocabulary bucket and padding follow.
    after.name_ids(["of", "states", "the", "union"])
    np.testing.assert_array_equal(
        before.keys_of(tf.constant([[4, 0, 1], [1, 2, 3]])), after.keys_of(tf.constant([[5, 2, 3], [3, 0, 4]]))
    )
    one_bucket_more = ngrams(ids=6, longest=3, frequent=9)
    one_bucket_more.name_ids(["the", "union", "of"])
    np.testing.assert_array_equal(
        before.keys_of(tf.constant([[4, 0, 1], [1, 2, 3]])),
        one_bucket_more.keys_of(tf.constant([[5, 0, 1], [1, 2, 3]])),
    )


def test_only_the_last_ids_stand_in_order() -> None:
    encoder = make(KIND, context=6, ordered_ids=2, ngrams=2, features=False)
    for variable in (encoder.pooling.place, encoder.pooling.query.kernel):
        variable.assign(tf.zeros_like(variable.value))
    ids = [[1, 2, 3, 4, 5, 6], [3, 1, 2, 4, 5, 6], [1, 2, 3, 4, 6, 5]]
    first, early_ones_swapped, last_ones_swapped = np.asarray(encoder({"input_ids": np.asarray(ids, np.int32)}))
    np.testing.assert_allclose(first, early_ones_swapped, rtol=1e-4, atol=1e-5)
    assert np.abs(first - last_ones_swapped).max() > 1e-3


@pytest.mark.parametrize("changes", [{"num_heads": 0}, {"ngrams": 1}, {"num_heads": 0, "ngrams": 1}])
def test_pooling_and_n_grams_can_be_left_out(changes: dict[str, int]) -> None:
    encoder = make(KIND, context=3, features=False, **changes)
    assert (encoder.pooling is None) == ("num_heads" in changes)
    assert (encoder.ngrams is None) == ("ngrams" in changes)
    assert encoder({"input_ids": np.asarray([[1, 2, 3]], np.int32)}).shape == (1, 6)
