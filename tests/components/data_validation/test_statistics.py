from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.data_validation.statistics import constant_columns, split_statistics, statistics_summary
from components.data_validation.statistics_gen import StatisticsGenExecutor
from components.ingest.rows.columns import Columns
from components.names import FIRST_LABEL
from tests.components.data_validation.conftest import MakeStatistics, Rows, write_examples
from tests.components.messages.observed import observed


def statistics_gen(rows: Rows, folder: Path, max_rows: int = 100) -> standard_artifacts.ExampleStatistics:
    """Run StatisticsGen on Beam, as a run does."""
    examples = write_examples(rows, folder / "examples")
    statistics = standard_artifacts.ExampleStatistics()
    statistics.uri = str(folder / "statistics")
    args: list[Any] = ["--runner=FnApiRunner", "--sdk_container_image=none"]
    context = BaseBeamExecutor.Context(beam_pipeline_args=args, tmp_dir=str(folder / "beam"), unique_id="1")
    StatisticsGenExecutor(context=context).Do(
        {"examples": [examples]}, {"statistics": [statistics]}, {"max_rows": max_rows}
    )
    return statistics


@pytest.mark.slow
def test_counts_are_those_counted_by_hand(rows: dict[str, list[Columns]], tmp_path: Path) -> None:
    with observed() as works:
        uri = statistics_gen(rows, tmp_path).uri
    assert works["StatisticsGen"].total == sum(map(len, rows.values()))
    train = {c["column"]: c for c in statistics_summary(uri, ("train",))}

    words, year, party = train["words"], train["year"], train["party"]
    assert split_statistics(uri, "train").num_examples == 6
    # 8 + 7 + 7 + 7 + 7 + 6 words: 28 distinct words, "the" eight times, "of" four times.
    assert (words["rows"], words["missing"], words["values"], words["unique"]) == (6, 0, 42, 28)
    assert words["top"][:2] == [["the", 8], ["of", 4]]
    assert (year["rows"], year["missing"], year["min"], year["max"]) == (5, 1, 1790, 1974)
    assert year["mean"] == pytest.approx(1889.2)
    # Squares of -99.2, -99.2, 56.8, 56.8 and 84.8: 33,324.8 in all.
    assert year["std"] == pytest.approx((33_324.8 / 5) ** 0.5)
    assert (party["rows"], party["missing"], party["unique"]) == (5, 1, 3)
    assert party["top"] == [["Nonpartisan", 2], ["Democratic", 2], ["Republican", 1]]
    assert {s: split_statistics(uri, s).num_examples for s in ("eval", "test")} == {"eval": 2, "test": 2}


@pytest.mark.slow
def test_one_row_more_is_seen(rows: dict[str, list[Columns]], tmp_path: Path) -> None:
    # Two splits that differ by one row, counted in one call.
    uri = statistics_gen({"train": rows["train"], "eval": rows["train"][:-1]}, tmp_path).uri
    all_of_them, fewer = ({c["column"]: c for c in statistics_summary(uri, (s,))} for s in ("train", "eval"))
    assert all_of_them["words"]["rows"] - fewer["words"]["rows"] == 1
    assert all_of_them["words"]["values"] - fewer["words"]["values"] == 6
    assert all_of_them["party"]["missing"] - fewer["party"]["missing"] == 1


@pytest.mark.slow
def test_a_large_split_is_sampled_and_says_so(rows: dict[str, list[Columns]], tmp_path: Path) -> None:
    statistics = statistics_gen(rows, tmp_path, max_rows=3)
    assert split_statistics(statistics.uri, "train").num_examples == 3
    assert split_statistics(statistics.uri, "eval").num_examples == 2
    rates = json.loads(str(statistics.get_json_value_custom_property("sample_rate_by_split")))
    assert rates == {"train": 0.5, "eval": 1.0, "test": 1.0}


def test_the_pipelines_own_features_are_no_columns(make_statistics: MakeStatistics) -> None:
    uri = make_statistics({"train": [{"words": ["the", "state"], FIRST_LABEL: [1]}]}).uri
    assert [feature.path.step[0] for feature in split_statistics(uri, "train").features] == ["words"]


def test_constant_columns_have_the_same_value_in_each_row(make_statistics: MakeStatistics) -> None:
    rows: list[Columns] = [
        {"words": ["the", "state"], "country": ["DE"], "year": [1790.0], "shop": ["a"], "often": ["x", "x"]},
        {"words": ["of"], "country": ["DE"], "year": [1790.0], "often": ["x"]},
    ]
    assert constant_columns(make_statistics({"train": rows}).uri) == {"country": True, "year": False}
    assert constant_columns(make_statistics({"train": rows[:1]}, "one").uri) == {}


def test_missing_statistics_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="split 'train'"):
        statistics_summary(str(tmp_path))
