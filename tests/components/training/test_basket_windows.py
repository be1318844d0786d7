"""Tests of the windows before baskets, against a plain loop over the baskets."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.encoders.basket.layer import AGES
from components.preprocessing.preprocessing import BASKET
from components.training.data.layout import HISTORY, Layout
from components.training.data.values import model_inputs
from components.training.data.windows import basket_windows, last_windows
from tests.drawing import drawn

PADDING = 100
BASKETS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3), max_size=4)
ROWS = st.lists(st.tuples(BASKETS, st.integers(1, 4)), min_size=1, max_size=4)


def ragged(rows: list[list[int]]) -> tf.RaggedTensor:
    return tf.ragged.constant(rows, dtype=tf.int64, ragged_rank=1, row_splits_dtype=tf.int64)


def class_of(token: int) -> int:
    """Return the class of a token: half of them are outside the label vocabulary."""
    return token - 50 if token >= 50 else -1


def naive(baskets: list[list[int]], context: int) -> tuple[list[int], list[int], list[int]]:
    """Return the ids, the ages and the classes of the window after some baskets."""
    pairs = [(token, len(baskets) - i) for i, basket in enumerate(baskets) for token in basket][-context:]
    missing = context - len(pairs)
    ids, ages = ([pair[part] for pair in pairs] for part in (0, 1))
    return [PADDING] * missing + ids, [0] * missing + ages, [-1] * missing + [class_of(token) for token in ids]


@drawn(60)
@given(ROWS, st.integers(1, 5))
def test_windows_labels_and_ages_are_those_of_a_plain_loop(rows, context):
    ids = ragged([[token for basket in baskets for token in basket] for baskets, _ in rows])
    numbers = ragged([[i for i, basket in enumerate(baskets) for _ in basket] for baskets, _ in rows])
    classes = ids.with_values(tf.where(ids.values >= 50, ids.values - 50, -1))
    features = {"input_ids": ids, "label_ids": classes, BASKET: numbers}
    layout = Layout("sequence", context, PADDING, (), {}, "classes", baskets=True, repeats=True)

    def inputs_of(windows):
        inputs = model_inputs(windows, features, layout)
        np.testing.assert_array_equal(inputs[HISTORY][..., 1], inputs[AGES])
        return [
            tuple(part.numpy().tolist() for part in row)
            for row in zip(inputs["input_ids"], inputs[AGES], inputs[HISTORY][..., 0], strict=True)
        ]

    windows = basket_windows(ids, classes, numbers, tf.constant([first for _, first in rows], tf.int64))
    places = [(row, place) for row, (baskets, first) in enumerate(rows) for place in range(first, len(baskets))]
    assert windows.rows.numpy().tolist() == [row for row, _ in places]
    assert windows.labels.to_list() == [[class_of(t) for t in rows[row][0][place]] for row, place in places]
    assert windows.known.numpy().tolist() == [any(t >= 50 for t in rows[row][0][place]) for row, place in places]
    assert inputs_of(windows) == [naive(rows[row][0][:place], context) for row, place in places]
    # A prediction follows the last basket. A row may have no token.
    assert inputs_of(last_windows(ids, numbers)) == [naive(baskets, context) for baskets, _ in rows]


def test_without_a_first_label_every_basket_but_the_first_is_one():
    ids, numbers = ragged([[1, 2, 3, 4], [], [5]]), ragged([[0, 0, 1, 2], [], [0]])
    windows = basket_windows(ids, ids, numbers)
    assert windows.labels.to_list() == [[3], [4]]
    assert windows.baskets.numpy().tolist() == [1, 2]
