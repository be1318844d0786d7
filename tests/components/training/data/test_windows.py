from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.training.data import batches
from components.training.data.batches import Size, count_windows, training_batches, validation_batches
from components.training.data.layout import Layout
from components.training.data.values import model_targets
from components.training.data.windows import labelled_windows, last_windows, several_windows
from components.training.examples import examples_of
from tests.drawing import drawn

PADDING = 100
rows_of_ids = st.lists(st.lists(st.integers(0, 99), max_size=9), min_size=1, max_size=6)


def ragged(rows) -> tf.RaggedTensor:
    return tf.ragged.constant(rows, dtype=tf.int64, ragged_rank=1, row_splits_dtype=tf.int64)


def naive(row: list[int], end: int, context: int) -> list[int]:
    before = row[max(0, end - context) : end]
    return [PADDING] * (context - len(before)) + before


@drawn(60)
@given(rows_of_ids, st.integers(1, 5))
def test_sequence_windows_are_those_of_a_plain_loop(rows, context):
    labels = [[token - 50 if token >= 50 else -1 for token in row] for row in rows]
    windows = labelled_windows(ragged(rows), ragged(labels), "sequence")
    expected = [
        (naive(row, i, context), labels[number][i], number)
        for number, row in enumerate(rows)
        for i in range(1, len(row))
    ]
    got = list(
        zip(windows.cut(context, PADDING).numpy().tolist(), windows.labels.numpy(), windows.rows.numpy(), strict=True)
    )
    assert got == expected


@drawn(60)
@given(st.lists(st.tuples(st.lists(st.integers(0, 99), max_size=9), st.integers(1, 10)), min_size=1, max_size=6))
def test_only_positions_from_the_first_label_on_have_a_window(rows):
    ids, firsts = [row for row, _ in rows], [first for _, first in rows]
    first_label = tf.constant(firsts, tf.int64)
    windows = labelled_windows(ragged(ids), ragged(ids), "sequence", first_label)
    expected = [
        (naive(row, i, 3), row[i], number) for number, (row, first) in enumerate(rows) for i in range(first, len(row))
    ]
    got = zip(windows.cut(3, PADDING).numpy().tolist(), windows.labels.numpy(), windows.rows.numpy(), strict=True)
    assert list(got) == expected


@drawn(60)
@given(rows_of_ids, st.integers(1, 5))
def test_labelled_rows_give_one_window_each(rows, context):
    windows = labelled_windows(ragged(rows), ragged([[len(row)] for row in rows]), "labelled")
    assert windows.cut(context, PADDING).numpy().tolist() == [naive(row, len(row), context) for row in rows]
    assert windows.labels.numpy().tolist() == [len(row) for row in rows]


@drawn(30)
@given(rows_of_ids, st.integers(1, 5))
def test_answers_are_asked_for_after_the_last_token(rows, context):
    windows = last_windows(ragged(rows)).cut(context, PADDING)
    assert windows.numpy().tolist() == [naive(row, len(row), context) for row in rows]


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Write rows r of 12 tokens 12 r ... 12 r + 11 to two files. The last token of each row is an unknown label."""
    paths = []
    for part in range(2):
        paths.append(str(tmp_path / f"part-{part}.gz"))
        with tf.io.TFRecordWriter(paths[-1], "GZIP") as writer:
            for row in range(part * 20, part * 20 + 20):
                ids = list(range(12 * row, 12 * row + 12))
                example = tf.train.Example()
                example.features.feature["input_ids"].int64_list.value.extend(ids)
                example.features.feature["label_ids"].int64_list.value.extend([*ids[:-1], -1])
                example.features.feature["year"].float_list.value.append(float(row))
                example.features.feature["party"].int64_list.value.append(row % 3)
                writer.write(example.SerializeToString())
    return paths


LAYOUT = Layout("sequence", 4, 1_000, ("year",), {"party": 4})


def test_targets_are_those_of_the_windows_row(files):
    layout = Layout("sequence", 4, 1_000, (), {}, target_numbers=("year",), target_counts={"party": (3, 2, 1)})
    for _, targets in training_batches(files, layout, 50, 8, seed=1).take(8):
        row = targets["label"].numpy() // 12
        np.testing.assert_array_equal(targets["year"], row)
        np.testing.assert_array_equal(targets["party"], row % 3)
        assert (targets["year"].dtype, targets["party"].dtype) == (tf.float32, tf.int32)


def test_files_with_the_first_label_of_each_row_are_cut_from_there(tmp_path):
    path = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for ids, first in (([1, 2, 3], 1), ([4, 5, 6], 2)):
            example = tf.train.Example()
            for name, values in (("input_ids", ids), ("label_ids", ids), ("first_label", [first])):
                example.features.feature[name].int64_list.value.extend(values)
            writer.write(example.SerializeToString())
    layout = Layout("sequence", 2, PADDING, (), {}, splits_positions=True)
    assert count_windows([path], layout) == Size(2, 3)
    ((inputs, targets),) = training_batches([path], layout, 3, 1, seed=1).take(1)
    found = dict(zip(targets["label"].numpy().tolist(), inputs["input_ids"].numpy().tolist(), strict=True))
    assert found == {2: [PADDING, 1], 3: [1, 2], 6: [4, 5]}


def test_a_row_with_a_number_as_its_label_is_one_window_and_without_one_is_none_to_learn_from(tmp_path):
    path = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for ids, value in (([1, 2, 3], 5.0), ([4], float("nan")), ([6, 7], -1.0)):
            example = tf.train.Example()
            example.features.feature["input_ids"].int64_list.value.extend(ids)
            example.features.feature["label_value"].float_list.value.append(value)
            writer.write(example.SerializeToString())
    layout = Layout("labelled", 2, PADDING, (), {}, label_kind="number")
    assert count_windows([path], layout) == Size(3, 2)
    assert count_windows([path], layout, known_only=False).windows == 3
    ((inputs, targets),) = training_batches([path], layout, 2, 1, seed=1).take(1)
    found = dict(zip(targets["label"].numpy().tolist(), inputs["input_ids"].numpy().tolist(), strict=True))
    assert found == {5.0: [2, 3], -1.0: [6, 7]}


def test_count_leaves_unknown_labels_out(files):
    assert count_windows(files, LAYOUT) == Size(40, 40 * 10)
    assert count_windows(files, LAYOUT, known_only=False).windows == 40 * 11


@pytest.mark.parametrize("cut", [7, 65_536])
def test_latest_ids_are_those_of_all_windows_with_a_known_label(files, monkeypatch, cut):
    monkeypatch.setattr(batches, "CUT_WINDOWS", cut)
    parts = [part.numpy() for part in batches.latest_ids(files, LAYOUT, 2)]
    assert max(map(len, parts)) == min(cut, 400)
    tokens = [list(range(12 * row, 12 * row + 12)) for row in range(40)]
    expected = [([LAYOUT.padding, *row[:end]])[-2:] for row in tokens for end in range(1, 11)]
    assert sorted(np.concatenate(parts).tolist()) == sorted(expected)


def test_a_pass_holds_every_window_once_and_no_window_crosses_a_row(files):
    labels = []
    for inputs, targets in training_batches(files, LAYOUT, 50, 8, seed=1).take(8):
        label = targets["label"]
        assert inputs["input_ids"].shape == (50, 4)
        row = label.numpy() // 12
        ids = inputs["input_ids"].numpy()
        assert ((ids // 12 == row[:, None]) | (ids == 1_000)).all()
        assert (ids[:, -1] == label.numpy() - 1).all()
        np.testing.assert_array_equal(inputs["year"], row)
        np.testing.assert_array_equal(inputs["party"], row % 3)
        labels += label.numpy().tolist()
    assert sorted(labels) == [12 * row + i for row in range(40) for i in range(1, 11)]


@pytest.mark.parametrize("block_rows", [1, 7, 40])
def test_a_pass_is_whole_whatever_the_blocks(files, block_rows):
    dataset = training_batches(files, LAYOUT, 50, 8, seed=1, block_rows=block_rows).take(8)
    assert sorted(x for _, targets in dataset for x in targets["label"].numpy()) == [
        12 * row + i for row in range(40) for i in range(1, 11)
    ]


def test_blocks_are_bounded_by_rows_and_by_windows():
    assert Size(10, 10).block_rows == 65_536
    assert Size(10, 10 * (1 << 20)).block_rows == 4
    assert Size(3, 0).block_rows == 65_536


def first_labels(dataset, batches: int) -> list[list[int]]:
    return [targets["label"].numpy().tolist() for _, targets in dataset.take(batches)]


@pytest.mark.slow
def test_order_follows_from_the_seed_differs_between_passes_and_can_be_entered_anywhere(files):
    whole = first_labels(training_batches(files, LAYOUT, 64, 6, seed=1), 18)
    assert first_labels(training_batches(files, LAYOUT, 64, 6, seed=1), 18) == whole
    assert first_labels(training_batches(files, LAYOUT, 64, 6, seed=2), 6) != whole[:6]
    assert whole[:6] != whole[6:12]
    assert first_labels(training_batches(files, LAYOUT, 64, 6, seed=1, skip=8), 10) == whole[8:]


def test_windows_of_a_row_are_spread_over_the_batches(files):
    labels = first_labels(training_batches(files, LAYOUT, 100, 4, seed=1), 1)[0]
    assert len({label // 12 for label in labels}) > 25


def test_validation_is_the_same_sample_each_time_and_keeps_unknown_labels(files):
    dataset = validation_batches(files, LAYOUT, 64, 10_000, seed=1)
    labels = [label for _, targets in dataset for label in targets["label"].numpy()]
    assert len(labels) == 40 * 11
    assert labels.count(-1) == 40
    assert labels == [label for _, targets in dataset for label in targets["label"].numpy()]
    assert sum(len(targets["label"]) for _, targets in validation_batches(files, LAYOUT, 64, 100, seed=1)) == 128


def test_no_thread_of_autotuning_delays_the_end_of_a_training(files):
    for found in (training_batches(files, LAYOUT, 4, 2, seed=1), validation_batches(files, LAYOUT, 4, 8, seed=1)):
        assert found.options().autotune.enabled is False


TAGGED = Layout("labelled", 3, PADDING, (), {}, "classes", most_labels=4)


@drawn(40)
@given(st.lists(st.tuples(st.lists(st.integers(0, 99), max_size=5), st.lists(st.integers(-1, 9), max_size=4))))
def test_a_row_with_several_labels_is_one_window_with_all_of_them(rows):
    ids, labels = ([row[part] for row in rows] for part in (0, 1))
    found = several_windows(ragged(ids), ragged(labels))
    assert found.known.numpy().tolist() == [any(label >= 0 for label in of) for of in labels]
    order = tf.range(len(rows))[::-1]
    targets = model_targets(found.take(order), {}, TAGGED)["label"]
    assert targets.numpy().tolist() == [of + [-2] * (4 - len(of)) for of in labels[::-1]]
    assert found.cut(3, PADDING).numpy().tolist() == [naive(row, len(row), 3) for row in ids]


def write_tagged(path, rows: list[tuple[list[int], list[int]]]) -> str:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for ids, labels in rows:
            example = tf.train.Example()
            example.features.feature["input_ids"].int64_list.value.extend(ids)
            example.features.feature["label_ids"].int64_list.value.extend(labels)
            writer.write(example.SerializeToString())
    return str(path)


def test_the_most_labels_of_both_splits_give_the_width_of_all_batches(tmp_path):
    train = write_tagged(tmp_path / "train.gz", [([1, 2], [3]), ([4], [5, 6]), ([7], [-1])])
    evaluated = write_tagged(tmp_path / "eval.gz", [([1], [3, -1, 4]), ([2], [-1])])
    found = examples_of([train], [evaluated], replace(TAGGED, most_labels=None), 1, 1)
    assert (found.count, found.layout.most_labels, found.layout.labeled_rows) == (2, 3, 3)
    batch = next(iter(found.training(2, 1, 0)))[1]["label"]
    assert batch.shape == (2, 3)
    assert sorted(batch.numpy().tolist()) == [[3, -2, -2], [5, 6, -2]]
    assert sorted(next(iter(found.validation(2, 2)))[1]["label"].numpy().tolist()) == [[-1, -2, -2], [3, -1, 4]]
