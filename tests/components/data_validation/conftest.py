"""Statistics in StatisticsGen's layout, of a few rows that a test provides."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_artifacts

# isort: split
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics import stats_impl
from tfx_bsl.coders import example_coder

from components.ingest.counts import COUNTS_FILE
from components.ingest.rows.columns import Columns
from components.ingest.rows.example import serialize

Rows = Mapping[str, list[Columns]]
"""Rows by split."""
MakeStatistics = Callable[..., standard_artifacts.ExampleStatistics]
"""Function that writes the statistics of rows into a folder of a given name."""


def write_examples(rows: Rows, folder: Path) -> standard_artifacts.Examples:
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    examples.split_names = artifact_utils.encode_split_names(list(rows))
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    for split, columns in rows.items():
        path = folder / f"Split-{split}" / "data.gz"
        path.parent.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions("GZIP")) as writer:
            for row in columns:
                writer.write(serialize(row))
    counts = {"rows": {split: len(columns) for split, columns in rows.items()}}
    (folder / COUNTS_FILE).write_text(json.dumps(counts))
    return examples


@pytest.fixture
def make_statistics(tmp_path: Path) -> MakeStatistics:
    """Return a function that writes TFDV's statistics of rows in StatisticsGen's layout, without a Beam pipeline."""

    def make(rows: Rows, name: str = "statistics") -> standard_artifacts.ExampleStatistics:
        statistics = standard_artifacts.ExampleStatistics()
        statistics.uri = str(tmp_path / name)
        statistics.split_names = artifact_utils.encode_split_names(list(rows))
        for split, columns in rows.items():
            batch = example_coder.ExamplesToRecordBatchDecoder().DecodeBatch([serialize(row) for row in columns])
            counted = stats_impl.generate_statistics_in_memory(batch, tfdv.StatsOptions())
            path = Path(statistics.uri, f"Split-{split}", "FeatureStats.pb")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(counted.SerializeToString())
        return statistics

    return make


def address(text: str, year: float | None, party: str | None) -> Columns:
    return {
        "words": text.split(),
        "year": [] if year is None else [year],
        "party": [] if party is None else [party],
    }


@pytest.fixture
def rows() -> dict[str, list[Columns]]:
    """Return the openings of real addresses."""
    train = [
        address("fellow - citizens of the senate and house", 1790, "Nonpartisan"),
        address("i embrace with great satisfaction the opportunity", 1790, "Nonpartisan"),
        address("the state of the union is good", 1946, "Democratic"),
        address("to the congress of the united states", 1946, "Democratic"),
        address("mr . speaker , mr . president", None, "Republican"),
        address("the people of the united states", 1974, None),
    ]
    return {"train": train, "eval": train[:2], "test": train[2:4]}
