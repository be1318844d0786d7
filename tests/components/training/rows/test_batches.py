"""Tests of the batches of whole rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.data.layout import LABEL, Layout
from components.training.rows import batches
from components.training.rows.batches import RowsSize, count_cuts, training_batches, validation_batches
from components.training.rows.cuts import NO_LABEL, TOTAL

pytestmark = pytest.mark.slow

LAYOUT = Layout("sequence", 8, 10_000, ("year",), {"party": 4}, target_numbers=("year",))
LENGTHS = [2 + 7 * row % 19 for row in range(40)]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Write rows r of 2 to 20 tokens 100 r, 100 r + 1, ... to two files. The second token of each is unknown."""
    paths = []
    for part in range(2):
        paths.append(str(tmp_path / f"part-{part}.gz"))
        with tf.io.TFRecordWriter(paths[-1], "GZIP") as writer:
            for row in range(part * 20, part * 20 + 20):
                ids = list(range(100 * row, 100 * row + LENGTHS[row]))
                example = tf.train.Example()
                example.features.feature["input_ids"].int64_list.value.extend(ids)
                example.features.feature["label_ids"].int64_list.value.extend([ids[0], -1, *ids[2:]])
                example.features.feature["year"].float_list.value.append(float(row))
                example.features.feature["party"].int64_list.value.append(row % 3)
                writer.write(example.SerializeToString())
    return paths


KNOWN = sorted(100 * row + place for row, length in enumerate(LENGTHS) for place in range(2, length))


def labels(targets: dict[str, tf.Tensor]) -> list[int]:
    """Return the labels of a batch, in the order of its rows."""
    dense = targets[LABEL].numpy()
    return dense[dense != NO_LABEL].tolist()


def of_batches(dataset: tf.data.Dataset, count: int) -> list[list[int]]:
    return [labels(targets) for _, targets in dataset.take(count)]


def test_counts_rows_known_labels_and_the_longest_cut(files: list[str]) -> None:
    assert count_cuts(files, LAYOUT) == RowsSize(40, len(KNOWN), 7)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("replicas", [1, 3])
def test_a_pass_holds_each_label_once_in_batches_of_about_one_size(
    files: list[str], monkeypatch: pytest.MonkeyPatch, blocks: int, replicas: int
) -> None:
    size = count_cuts(files, LAYOUT)
    steps = 12
    if blocks > 1:
        monkeypatch.setattr(batches, "BLOCK_ROWS", 10)
        monkeypatch.setattr(batches, "_BLOCK_BATCHES", 0)
        assert size.block_rows(len(KNOWN) // steps) == 10
    found: list[int] = []
    for inputs, targets in training_batches(files, LAYOUT, size, steps, seed=1, replicas=replicas).take(steps):
        ids, dense, mine = inputs["input_ids"].numpy(), targets[LABEL].numpy(), labels(targets)
        assert len(ids) % replicas == 0
        np.testing.assert_array_equal(targets[TOTAL], len(mine))
        assert abs(len(mine) - len(KNOWN) / steps) < (size.longest if blocks == 1 else len(KNOWN) / steps)
        has = dense != NO_LABEL
        # Each label follows its own id, and all ids of a cut are those of one row.
        np.testing.assert_array_equal(dense[has], ids[has] + 1)
        assert all(len({i // 100 for i in row if i != LAYOUT.padding}) <= 1 for row in ids)
        np.testing.assert_array_equal(inputs["year"][has.any(axis=1)], ids[has.any(axis=1), 0] // 100)
        np.testing.assert_array_equal(inputs["year"], targets["year"])
        found += mine
    assert sorted(found) == KNOWN


def test_rows_of_a_batch_have_similar_lengths(files: list[str]) -> None:
    size = count_cuts(files, LAYOUT)
    padded = used = 0
    for inputs, _ in training_batches(files, LAYOUT, size, 10, seed=1).take(10):
        ids = inputs["input_ids"].numpy()
        padded, used = padded + ids.size, used + int((ids != LAYOUT.padding).sum())
    assert padded < 1.2 * used


def test_order_follows_from_the_seed_differs_between_passes_and_can_be_entered_anywhere(files: list[str]) -> None:
    size = count_cuts(files, LAYOUT)
    whole = of_batches(training_batches(files, LAYOUT, size, 6, seed=1), 18)
    assert of_batches(training_batches(files, LAYOUT, size, 6, seed=1), 18) == whole
    assert of_batches(training_batches(files, LAYOUT, size, 6, seed=2), 6) != whole[:6]
    assert whole[:6] != whole[6:12]
    assert of_batches(training_batches(files, LAYOUT, size, 6, seed=1, skip=8), 10) == whole[8:]


def test_blocks_have_one_size() -> None:
    assert RowsSize(100, 1_000, 50).block_rows(64) == 100
    assert RowsSize(65_537, 65_537, 1).block_rows(64) == 32_769
    assert RowsSize(8, 8 << 20, 100).block_rows(64) == 4
    # With large batches a block is larger, so that its batches are of one size.
    assert RowsSize(200_000, 200_000, 1).block_rows(8_192) == 200_000


def test_validation_is_the_same_sample_each_time_and_keeps_unknown_labels(files: list[str]) -> None:
    dataset = validation_batches(files, LAYOUT, 32, 10_000, seed=1, replicas=2)
    found = of_batches(dataset, 1_000)
    every = [label for batch in found for label in batch]
    assert sorted(every) == sorted([*KNOWN, *[-1] * 40])
    assert found == of_batches(dataset, 1_000)
    assert all(len(inputs["input_ids"]) % 2 == 0 for inputs, _ in dataset)
    some = of_batches(validation_batches(files, LAYOUT, 32, 100, seed=1), 1_000)
    assert 100 <= sum(map(len, some)) < 100 + 64
    assert sum(map(len, some[:-1])) < 100


def test_no_thread_of_autotuning_delays_the_end_of_a_training(files: list[str]) -> None:
    size = count_cuts(files, LAYOUT)
    for found in (
        training_batches(files, LAYOUT, size, 2, seed=1),
        validation_batches(files, LAYOUT, 4, 8, seed=1),
    ):
        assert found.options().autotune.enabled is False


def test_a_validation_without_labels_is_empty(tmp_path: Path) -> None:
    path = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        example = tf.train.Example()
        example.features.feature["input_ids"].int64_list.value.append(1)
        example.features.feature["label_ids"].int64_list.value.append(1)
        example.features.feature["year"].float_list.value.append(0.0)
        example.features.feature["party"].int64_list.value.append(0)
        writer.write(example.SerializeToString())
    assert list(validation_batches([path], LAYOUT, 4, 100, seed=1)) == []
