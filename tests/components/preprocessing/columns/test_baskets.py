"""Tests of the numbers of baskets and of their distinct tokens, against a plain loop."""

from __future__ import annotations

import itertools

import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.preprocessing.columns.baskets import Baskets
from tests.drawing import drawn

ROWS = st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy")), max_size=6), min_size=1, max_size=4)


def sparse(rows: list[list[str]]) -> tf.SparseTensor:
    return tf.ragged.constant(rows, dtype=tf.string, ragged_rank=1).to_sparse()


def listed(column: tf.SparseTensor) -> list[list]:
    ragged = tf.RaggedTensor.from_sparse(column)  # Refuses gaps.
    return [[each.decode() if isinstance(each, bytes) else each for each in row] for row in ragged.to_list()]


@drawn(60)
@given(ROWS)
def test_numbers_and_distinct_tokens_are_those_of_a_plain_loop(rows):
    tokens = sparse([[token for token, _ in row] for row in rows])
    baskets = Baskets.of(tokens, sparse([[basket for _, basket in row] for row in rows]))
    numbers, distinct, of_distinct = [], [], []
    for row in rows:
        groups = [[token for token, _ in group] for _, group in itertools.groupby(row, key=lambda pair: pair[1])]
        numbers.append([i for i, group in enumerate(groups) for _ in group])
        kept = [(token, i) for i, group in enumerate(groups) for token in dict.fromkeys(group)]
        distinct.append([token for token, _ in kept])
        of_distinct.append([i for _, i in kept])
    assert listed(baskets.numbers) == numbers
    assert listed(baskets.distinct(tokens)) == distinct
    assert listed(baskets.distinct(baskets.numbers)) == of_distinct


def test_the_first_label_is_a_number_of_a_basket():
    tokens = sparse([["a", "a", "b"], ["c", "d", "e"]])
    baskets = Baskets.of(tokens, sparse([["x", "x", "y"], ["x", "y", "z"]]))
    assert baskets.numbers_at(tf.constant([2, 2], tf.int64)).numpy().tolist() == [1, 2]


def test_without_the_column_all_tokens_are_one_basket():
    baskets = Baskets.of(sparse([["a", "b", "a"], ["c"]]), tf.sparse.from_dense(tf.constant([[""], [""]])))
    assert listed(baskets.numbers) == [[0, 0, 0], [0]]
    assert listed(baskets.distinct(baskets.tokens)) == [["a", "b"], ["c"]]
