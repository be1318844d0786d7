"""Tests of mean and standard deviation over windows, against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.data.layout import Layout
from components.training.data.moments import Standard, number_moments

# Tokens and year. All tokens but the first are labels; the last label of the second row is unknown.
ROWS = [([1, 2, 3], 1990.0), ([4, 5, 6, 7], 1862.0), ([8, 9], float("nan"))]
LAYOUT = Layout("sequence", 4, 100, (), {}, target_numbers=("year",))


def written(folder: Path, rows: list[tuple[list[int], float]]) -> list[str]:
    path = str(folder / "rows.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for ids, year in rows:
            feature = tf.train.Example()
            feature.features.feature["input_ids"].int64_list.value.extend(ids)
            feature.features.feature["label_ids"].int64_list.value.extend([-1 if i == 7 else i for i in ids])
            feature.features.feature["label_value"].float_list.value.append(year)
            feature.features.feature["year"].float_list.value.append(year)
            writer.write(feature.SerializeToString())
    return [path]


def test_a_row_counts_once_for_each_known_label(tmp_path: Path) -> None:
    values = [1990.0] * 2 + [1862.0] * 2
    found = number_moments(written(tmp_path, ROWS), LAYOUT)["year"]
    assert (found.mean, found.deviation) == pytest.approx((np.mean(values), np.std(values)))


def test_a_labels_numbers_count_once_a_row(tmp_path: Path) -> None:
    layout = Layout("labelled", 4, 100, (), {}, label_kind="number")
    found = number_moments(written(tmp_path, ROWS), layout)
    assert set(found) == {"label"}
    assert (found["label"].mean, found["label"].deviation) == pytest.approx((1926.0, 64.0))


def test_equal_numbers_have_no_deviation(tmp_path: Path) -> None:
    assert number_moments(written(tmp_path, ROWS[:1]), LAYOUT) == {"year": Standard(1990.0, 0.0)}


@pytest.mark.parametrize(
    ("values", "mean", "deviation"),
    [
        ([1e21, 3e21], 2e21, 1e21),
        ([-3e38, 3e38], 0.0, 3e38),
        ([16_777_214.0, 16_777_216.0], 16_777_215.0, 0.0),  # one in 16 million: rounding of float32
        ([1e9 - 64_000, 1e9 + 64_000], 1e9, 64_000.0),
        ([1e-30, 3e-30], 2e-30, 1e-30),
        ([19.99] * 7, 19.99, 0.0),
    ],
)
def test_numbers_of_any_size(values: list[float], mean: float, deviation: float, tmp_path: Path) -> None:
    layout = Layout("labelled", 4, 100, (), {}, label_kind="number")
    found = number_moments(written(tmp_path, [([1], value) for value in values]), layout)["label"]
    assert (found.mean, found.deviation) == pytest.approx((mean, deviation), rel=1e-6, abs=0)


def test_nothing_to_learn_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the train split has no number to learn from in year"):
        number_moments(written(tmp_path, ROWS[2:]), LAYOUT)


def test_no_number_is_no_pass_over_the_files() -> None:
    assert number_moments(["not there"], Layout("sequence", 4, 100, (), {})) == {}
