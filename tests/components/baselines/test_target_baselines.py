"""Tests of mean and frequencies against values worked by hand, on rows with missing values."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.baselines.targets import TargetBaselines
from components.ingest.options.splits import SplitSpec
from components.ingest.spec import DataSpec
from components.metrics.targets import further_targets, label_target
from components.names import FIRST_LABEL
from components.preprocessing.vocabulary import Vocabulary
from tests.components.baselines.conftest import serialized
from tests.components.baselines.test_executor import run

TARGETS = {"party": {"kind": "category"}, "year": {"kind": "number"}}
SEQUENCE = DataSpec.model_validate(
    {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"], "targets": TARGETS}
)
REGRESSION = DataSpec.model_validate(
    {"shape": "labelled", "source": {"kind": "sotu"}, "inputs": ["words"], "label": "year", "label_kind": "number"}
)
PARTIES = {"party": Vocabulary(["Whig", "New Party"], np.array([2, 1]))}


def row(labels: int, party: str | None, year: float | None) -> dict[str, Any]:
    """Return a sequence with a given number of labels."""
    return {
        "words": ["the"] * (labels + 1),
        "party": [] if party is None else [party],
        "year": [] if year is None else [year],
    }


def test_context_of_split_positions_does_not_count() -> None:
    data = SEQUENCE.model_copy(update={"splits": SplitSpec(leave_out=1)})

    def cut(first: int, **columns: Any) -> bytes:
        example = tf.train.Example.FromString(serialized({"words": ["the"] * 4, **columns}))
        example.features.feature[FIRST_LABEL].int64_list.value.append(first)
        return example.SerializeToString()

    baselines = TargetBaselines(data, PARTIES)
    # Three labels with the year 1840, one with the year 1880.
    baselines.count([cut(1, party=["Whig"], year=[1840.0]), cut(3, party=["Whig"], year=[1880.0])])
    sums = baselines.measure([cut(2, party=["Whig"], year=[1850.0])])
    assert sums["bigvocab/target/party/baseline/popular"][0][0] == 2
    found = baselines.summary()["targets"]
    assert (found["party"]["popular"]["count"], found["year"]["mean"]["rmse"]) == (2, 0)


def test_a_row_counts_once_for_each_of_its_labels() -> None:
    baselines = TargetBaselines(SEQUENCE, PARTIES)
    train = [row(1, "Whig", 1840.0), row(3, "New Party", 1860.0), row(2, None, None), row(5, "rare", None)]
    baselines.count([serialized(r) for r in train])
    # Three of four labels with a known party have the New Party; the mean year is 1855.
    sums = baselines.measure(
        [serialized(r) for r in (row(2, "Whig", 1845.0), row(4, "rare", None), row(1, None, 1855.0))]
    )
    party, year = sums["bigvocab/target/party/baseline/popular"], sums["bigvocab/target/year/baseline/mean"]
    party_target, year_target = further_targets(SEQUENCE)
    assert party.shape == (3, len(party_target.sum_names))
    np.testing.assert_allclose(party, [[2, 2, 2 * math.log(4), 0], [4, 0, 0, 0], [0, 0, 0, 0]])
    assert year.shape == (3, len(year_target.sum_names))
    root = math.sqrt(200)
    np.testing.assert_allclose(year, [[2, root, 20, -20, root], [0] * 5, [1, 0, 0, 0, 0]])
    found = baselines.summary()["targets"]
    assert found["party"]["popular"] == {"accuracy": 0.0, "nll": pytest.approx(math.log(4)), "count": 6, "known": 2}
    assert found["year"]["mean"]["rmse"] == pytest.approx(math.sqrt(200 / 3))


def test_numbers_whose_squares_no_float32_holds_are_stored_as_roots() -> None:
    target = label_target(REGRESSION)
    baselines = TargetBaselines(REGRESSION, {})
    baselines.count([serialized(row(1, None, 1e21)), serialized(row(1, None, 3e21))])
    stored = baselines.measure([serialized(row(1, None, 1e21)), serialized(row(1, None, 5e21))])[target.feature("mean")]
    # The precision of an Example.
    values = stored.astype(np.float32).astype(np.float64)
    assert np.isfinite(values).all()
    metrics = target.measured(target.restored(values).sum(axis=0))
    expected = {"rmse": 1e21 * math.sqrt(5), "mae": 2e21, "r2": 1 - 10 / 8, "count": 2.0}
    assert metrics == pytest.approx(expected, rel=1e-6)
    assert baselines.summary()["metrics"]["mean"] == pytest.approx(expected, rel=1e-6)


def test_the_most_frequent_value_is_the_answer() -> None:
    baselines = TargetBaselines(SEQUENCE, PARTIES)
    baselines.count([serialized(row(2, "Whig", 1.0)), serialized(row(1, "New Party", 1.0))])
    baselines.measure([serialized(row(3, "Whig", 1.0)), serialized(row(1, "New Party", 1.0))])
    assert baselines.summary()["targets"]["party"]["popular"]["accuracy"] == 0.75


def test_a_number_as_the_label_is_measured_against_its_mean(write: Callable[..., Any], tmp_path: Path) -> None:
    rows = {
        "train": [{"words": ["the"], "year": [1.0]}, {"words": ["of", "the"], "year": [3.0]}],
        "test": [{"words": ["the", "new"], "year": [5.0]}, {"words": ["the"], "year": [1.0]}],
    }
    files = write(rows, ["the", "of"], [])
    (files.graph / "transform_fn/assets/labels").unlink()
    found = run(files, REGRESSION, tmp_path / "out")
    assert found["metrics"] == {"mean": {"rmse": pytest.approx(math.sqrt(5)), "mae": 2.0, "r2": -0.25, "count": 2.0}}
    assert found["examples"]["train"] == {"rows": 2, "labels": 2, "known": 2}
    assert found["out_of_vocabulary_rate"] == {"inputs": pytest.approx(1 / 3), "labels": None}
    spec = {
        "year": tf.io.FixedLenFeature([], tf.float32),
        "bigvocab/baseline/mean": tf.io.FixedLenFeature([5], tf.float32),
    }
    paths = [str(path) for path in (tmp_path / "out/examples/Split-test").iterdir()]
    written = [tf.io.parse_single_example(record, spec) for record in tf.data.TFRecordDataset(paths, "GZIP")]
    assert sorted((float(r["year"]), r["bigvocab/baseline/mean"].numpy().tolist()) for r in written) == [
        (1.0, [1, 1, 1, -1, 1]),
        (5.0, [1, 3, 3, 3, 3]),
    ]


def test_an_empty_test_split_is_refused(write: Callable[..., Any], tmp_path: Path) -> None:
    files = write({"train": [{"words": ["the"], "year": [1.0]}], "test": []}, ["the"], [])
    with pytest.raises(ValueError, match="the test split holds no label to measure"):
        run(files, REGRESSION, tmp_path / "out")


def test_nothing_is_finite_that_cannot_be_written() -> None:
    baselines = TargetBaselines(SEQUENCE, PARTIES)
    baselines.count([serialized(row(1, "Whig", 1.0))])
    baselines.measure([serialized(row(1, None, None))])
    json.dumps(baselines.summary(), allow_nan=False)
    assert baselines.summary()["targets"]["year"]["mean"]["rmse"] is None
