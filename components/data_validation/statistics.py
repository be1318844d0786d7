"""Reads the statistics that StatisticsGen wrote."""

from __future__ import annotations

from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.dsl.io import fileio

from components.compat.tfdv import tfdv

SPLITS = ("train", "eval", "test")
TOP_VALUES = 5


def split_statistics(uri: str, split: str) -> statistics_pb2.DatasetFeatureStatistics:
    """The statistics of one split, all rows together.

    Args:
        uri: of the statistics artefact.
        split: name of the split.

    Raises:
        FileNotFoundError: there are no statistics of this split.
    """
    path = f"{uri}/Split-{split}/FeatureStats.pb"
    if not fileio.exists(path):
        raise FileNotFoundError(f"no statistics of split '{split}': {path}")
    return tfdv.load_stats_binary(path).datasets[0]


def statistics_summary(uri: str, splits: tuple[str, ...] = SPLITS) -> list[dict[str, Any]]:
    """What a reader wants to know of each column, for the report.

    Args:
        uri: of the statistics artefact.
        splits: the splits, in the order wanted.

    Returns:
        One dict a split and column, with `split`, `column`, `rows` (that have a value), `missing` (rows without),
        `values` (all values of the column). Texts add `unique` (how many different values) and `top` (list of
        [value, count], the most frequent first), numbers `mean`, `std`, `min` and `max`.

    Raises:
        FileNotFoundError: there are no statistics of a split.
    """
    return [
        {"split": split, "column": feature.path.step[0], **_column(feature)}
        for split in splits
        for feature in split_statistics(uri, split).features
    ]


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
