"""Tests of cuts: whole rows give the examples that windows give."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.training.data.layout import COUNTED, LABEL, Layout
from components.training.data.values import counted_tokens
from components.training.data.windows import labelled_windows, last_windows
from components.training.rows.cuts import NO_LABEL, TOTAL, Cuts, cut_starts, filled_up
from tests.drawing import drawn

PADDING = 1_000
Example = tuple[tuple[int, ...], int, int]


def ragged(rows: list[list[int]]) -> tf.RaggedTensor:
    return tf.ragged.constant(rows, dtype=tf.int64, ragged_rank=1, row_splits_dtype=tf.int64)


@st.composite
def rows_of_ids(draw) -> list[list[int]]:
    """Return rows whose ids are all different, so that an example tells where it is from."""
    lengths = draw(st.lists(st.integers(0, 23), min_size=1, max_size=6))
    starts = np.cumsum([0, *lengths])
    return [list(range(start, start + length)) for start, length in zip(starts, lengths, strict=False)]


def labels_of(rows: list[list[int]]) -> list[list[int]]:
    """Return labels of which some are unknown."""
    return [[-1 if token % 5 == 0 else token for token in row] for row in rows]


def examples(rows: list[list[int]], context: int, known_only: bool) -> list[Example]:
    """Return the ids, label and row of each label of the dense batch of all cuts."""
    layout = Layout("sequence", context, PADDING, ("row",), {}, target_numbers=("row",))
    windows = labelled_windows(ragged(rows), ragged(labels_of(rows)), "sequence")
    if known_only:
        windows = windows.take(tf.where(windows.known)[:, 0])
    features = {"row": tf.range(len(rows), dtype=tf.float32)}
    cuts = Cuts.of(windows, features, layout)
    inputs = cuts.inputs(features, layout)
    targets = cuts.targets(inputs, features, layout)
    ids, labels = inputs["input_ids"].numpy(), targets[LABEL].numpy()
    assert ids.shape == labels.shape
    assert ids.shape[1] <= context
    np.testing.assert_array_equal(inputs["row"], targets["row"])
    np.testing.assert_array_equal(targets[TOTAL], (labels != NO_LABEL).sum())
    return [
        (tuple(ids[cut, : place + 1].tolist()), int(labels[cut, place]), int(inputs["row"][cut]))
        for cut, place in np.argwhere(labels != NO_LABEL)
    ]


@drawn(30)
@given(rows_of_ids(), st.integers(1, 12), st.booleans())
def test_each_label_is_trained_once_after_the_ids_before_it(rows, context, known_only):
    expected = [
        (label, number, row[:place])
        for number, (row, labels) in enumerate(zip(rows, labels_of(rows), strict=True))
        for place, label in enumerate(labels)
        if place and (label >= 0 or not known_only)
    ]
    found = examples(rows, context, known_only)
    assert len(found) == len(expected)
    for (ids, label, row), (wanted, number, before) in zip(found, expected, strict=True):
        assert (label, row) == (wanted, number)
        assert list(ids) == before[len(before) - len(ids) :], "ids of this row alone, up to the label"
        assert len(ids) == len(before) if len(before) <= context else context // 4 < len(ids) <= context


@drawn(30)
@given(rows_of_ids(), st.integers(23, 30))
def test_rows_within_the_context_give_the_inputs_of_the_windows(rows, context):
    windows = labelled_windows(ragged(rows), ragged(labels_of(rows)), "sequence")
    ids = [tuple(i for i in window if i != PADDING) for window in windows.cut(context, PADDING).numpy().tolist()]
    expected = list(zip(ids, windows.labels.numpy().tolist(), windows.rows.numpy().tolist(), strict=True))
    assert examples(rows, context, known_only=False) == expected


@drawn(50)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_a_cut_starts_where_the_equation_says(length, context):
    stride = context - context // 4
    expected = max(0, math.ceil((length - context) / stride)) * stride
    assert int(cut_starts(tf.constant(length), context)) == expected


@drawn(30)
@given(rows_of_ids(), st.integers(1, 12))
def test_an_answer_sees_what_training_saw_at_this_place(rows, context):
    layout = Layout("sequence", context, PADDING, (), {})
    cuts = Cuts.of(last_windows(ragged(rows)), {}, layout)
    ids, places = cuts.inputs({}, layout)["input_ids"].numpy(), cuts.places().numpy()
    assert len(ids) == len(rows)
    for number, (row, (cut, place)) in enumerate(zip(rows, places, strict=True)):
        start = int(cut_starts(tf.constant(len(row)), context))
        assert cut == number
        assert ids[number, : place + 1].tolist() == (row[start:] or [PADDING])


def test_no_rows_make_no_cuts():
    layout = Layout("sequence", 3, PADDING, (), {}, counted=2, counted_ids=9)
    windows = labelled_windows(ragged([[], [4]]), ragged([[], [1]]), "sequence")
    cuts = Cuts.of(windows, {"label_ids": ragged([[], [1]])}, layout)
    assert int(cuts.count) == 0
    inputs = cuts.inputs({}, layout)
    assert inputs["input_ids"].shape == (0, 1)
    assert inputs[COUNTED].shape == (0, 1, 2)


@drawn(40)
@given(rows_of_ids(), st.integers(1, 12), st.integers(1, 2), st.sampled_from(["known", "all", "last"]))
def test_a_mixture_looks_up_the_last_tokens_of_the_row_and_not_of_the_cut(rows, context, counted, which):
    other, before = PADDING, PADDING + 1
    layout = Layout("sequence", context, PADDING, (), {}, counted=counted, counted_ids=other)
    labels = ragged(labels_of(rows))
    # The input ids are no labels: they must not be counted.
    inputs = ragged([[0] * len(row) for row in rows])
    windows = last_windows(inputs) if which == "last" else labelled_windows(inputs, labels, "sequence")
    if which == "known":
        windows = windows.take(tf.where(windows.known)[:, 0])
    features = {"label_ids": labels}
    cuts = Cuts.of(windows, features, layout)
    chosen = tf.range(cuts.count)[::-1]
    found = cuts.take(chosen).inputs(features, layout)[COUNTED].numpy()
    by_label = [found[len(chosen) - 1 - cut, place].tolist() for cut, place in cuts.places().numpy()]
    expected = []
    for of in labels_of(rows):
        counts = [other if label < 0 else label for label in of]
        ends = [len(of)] if which == "last" else [p for p in range(1, len(of)) if of[p] >= 0 or which == "all"]
        expected += [([before] * counted + counts[:end])[-counted:] for end in ends]
    assert by_label == expected
    assert cuts.counted.numpy().tolist() == expected == counted_tokens(windows, features, layout).numpy().tolist()


def test_rows_that_fill_up_a_batch_have_no_labels():
    layout = Layout("sequence", 9, PADDING, ("row",), {}, target_counts={"kind": (3, 2)}, counted=1, counted_ids=9)
    windows = labelled_windows(ragged([[1, 2], [3, 4, 5]]), ragged([[1, 2], [3, 4, -1]]), "sequence")
    features = {"row": tf.constant([0.5, 1.5]), "kind": tf.constant([1, 0], tf.int64)}
    features["label_ids"] = ragged([[1, 2], [3, 4, -1]])
    cuts = Cuts.of(windows, features, layout)
    inputs = cuts.inputs(features, layout)
    inputs, targets = filled_up(inputs, cuts.targets(inputs, features, layout), 4, PADDING)
    assert inputs["input_ids"].numpy().tolist() == [[1, PADDING], [3, 4], [PADDING] * 2, [PADDING] * 2]
    assert targets[LABEL].numpy().tolist() == [[2, NO_LABEL], [4, -1], [NO_LABEL] * 2, [NO_LABEL] * 2]
    assert targets[TOTAL].numpy().tolist() == [3] * 4
    assert len(targets["kind"]) == len(inputs["row"]) == 4
    assert inputs[COUNTED].shape == (4, 2, 1)
    assert inputs[COUNTED][:2, :, 0].numpy()[targets[LABEL][:2] != NO_LABEL].tolist() == [1, 3, 4]
