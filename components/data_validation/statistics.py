"""Reading of the statistics that StatisticsGen wrote."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.dsl.io import fileio

from components.names import OWN

SPLITS = ("train", "eval", "test")
TOP_VALUES = 5


def split_statistics(uri: str, split: str) -> statistics_pb2.DatasetFeatureStatistics:
    """Read the statistics of one split, over all its rows, without the pipeline's own features.

    Args:
        uri: URI of the statistics artifact.
        split: Name of the split.

    Raises:
        FileNotFoundError: The artifact has no statistics of this split.
    """
    path = f"{uri}/Split-{split}/FeatureStats.pb"
    if not fileio.exists(path):
        raise FileNotFoundError(f"no statistics of split '{split}': {path}")
    with fileio.open(path, "rb") as file:
        # As `tfdv.load_stats_binary` does it: the import of TFDV takes seconds.
        (statistics,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read()).datasets
    columns = [feature for feature in statistics.features if not feature.path.step[0].startswith(OWN)]
    del statistics.features[:]
    statistics.features.extend(columns)
    return statistics


def statistics_summary(uri: str, splits: tuple[str, ...] = SPLITS) -> list[dict[str, Any]]:
    """Summarize the statistics of each column for the report.

    Args:
        uri: URI of the statistics artifact.
        splits: Names of the splits, in the order of the result.

    Returns:
        A dict per split and column, with `split`, `column`, `rows` (number of rows with a value), `missing` (number of
        rows without a value) and `values` (number of values in all rows). Text columns add `unique` (number of
        different values) and `top` (list of [value, count], most frequent first). Number columns add `mean`, `std`,
        `min` and `max`.

    Raises:
        FileNotFoundError: A split has no statistics.
    """
    return [
        {"split": split, "column": feature.path.step[0], **_column(feature)}
        for split in splits
        for feature in split_statistics(uri, split).features
    ]


def constant_columns(uri: str, split: str = "train") -> dict[str, bool]:
    """Return the columns that have the same value in each row of a split, or of the sample of it. True: a text column.

    Args:
        uri: URI of the statistics artifact.
        split: Name of the split.

    Raises:
        FileNotFoundError: The artifact has no statistics of this split.
    """
    constant = {}
    for feature in split_statistics(uri, split).features:
        column = _column(feature)
        is_text = "unique" in column
        same = column["unique"] == 1 if is_text else column["min"] == column["max"]
        if same and not column["missing"] and column["values"] == column["rows"] > 1:
            constant[feature.path.step[0]] = is_text
    return constant


def _column(feature: statistics_pb2.FeatureNameStatistics) -> dict[str, Any]:
    is_text = feature.HasField("string_stats")
    common = (feature.string_stats if is_text else feature.num_stats).common_stats
    column: dict[str, Any] = {
        "rows": common.num_non_missing,
        "missing": common.num_missing,
        "values": common.tot_num_values,
    }
    if is_text:
        stats = feature.string_stats
        top = [[value.value, int(value.frequency)] for value in stats.top_values[:TOP_VALUES]]
        return {**column, "unique": stats.unique, "top": top}
    stats = feature.num_stats
    return {**column, "mean": stats.mean, "std": stats.std_dev, "min": stats.min, "max": stats.max}
