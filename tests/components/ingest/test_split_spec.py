"""Tests of the configuration of the splits: forms, defaults, and what does not fit together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.ingest.options.splits import SplitSpec
from components.ingest.rows.columns import columns_of, columns_read
from components.ingest.spec import DataSpec

CSV = {"kind": "csv", "path": "rows.csv"}
FILES = {"kind": "csv", "train": "train.csv", "test": "test.csv"}


def data(shape: str = "sequence", **changes: Any) -> DataSpec:
    columns = {"inputs": ["words"]} if shape == "sequence" else {"inputs": ["words"], "label": "word"}
    return DataSpec.model_validate({"shape": shape, "source": CSV, **columns, **changes})


def test_shares_have_defaults() -> None:
    assert SplitSpec().shares == {"train": 90, "eval": 5, "test": 5}
    assert SplitSpec(train=80, test=10).shares == {"train": 80, "eval": 5, "test": 10}
    assert SplitSpec(leave_out=2).shares == {"train": 90, "eval": 5, "test": 5}


@pytest.mark.parametrize(
    "splits",
    [{}, {"train": 8, "eval": 1, "test": 1}, {"column": "part"}, {"by_time": "ts", "eval": "7d", "test": 2.5},
     {"leave_out": 3}],
)  # fmt: skip
def test_a_specification_reads_back_as_it_was(splits: dict[str, Any]) -> None:
    found = data(splits=splits)
    assert DataSpec.model_validate_json(found.model_dump_json()) == found


def test_files_of_splits_read_back_as_they_were() -> None:
    found = data(source=FILES, splits={"train": 95, "eval": 5})
    assert DataSpec.model_validate_json(found.model_dump_json()) == found
    assert found.source.split_paths == {"train": "train.csv", "test": "test.csv"}
    assert found.source.at("new.csv").paths == {"path": "new.csv"}


def test_the_column_of_a_split_is_read_and_not_written() -> None:
    for splits in ({"column": "part"}, {"by_time": "part", "eval": 1, "test": 1}):
        found = data("labelled", splits=splits)
        assert columns_read(found) == ["words", "word", "part"]
        assert columns_of(found) == ["words", "word"]


def test_positions_are_those_of_sequences() -> None:
    by_time = {"by_time": "ts", "eval": 1, "test": 1}
    assert data(splits={"leave_out": 1}).splits_positions
    assert data(splits=by_time).splits_positions
    assert not data("labelled", splits=by_time).splits_positions
    assert not data().splits_positions
    assert not data(splits={"column": "part"}).splits_positions


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"splits": {"eval": 0}}, "the relative size of a split is a whole number, at least 1"),
        ({"splits": {"test": "7d"}}, "the relative size of a split is a whole number"),
        ({"splits": {"train": 0}}, "greater than or equal to 1"),
        ({"splits": {"leave_out": 0}}, "greater than or equal to 1"),
        ({"splits": {"leave_out": 1, "column": "part"}}, "column and leave_out exclude each other: keep one"),
        ({"splits": {"leave_out": 1, "test": 5}}, "test: relative sizes of a split by hash: remove them, or leave_out"),
        ({"splits": {"by_time": "ts", "eval": "7d"}}, "by_time needs test: how long the split is, such as 7d"),
        ({"splits": {"by_time": "ts", "train": 1, "eval": 1, "test": 1}}, "remove train"),
        ({"splits": {"by_time": "ts", "eval": "a week", "test": 1}}, "not a length of time: write 30m, 12h, 7d or 2w"),
        ({"splits": {"by_time": "ts", "eval": "0d", "test": 1}}, "a length of time is above 0"),
        ({"shape": "labelled", "splits": {"leave_out": 1}}, "only the tokens of shape 'sequence' have positions"),
        ({"splits": {"leave_out": 1}, "split_by": ["user"]}, "data.splits.leave_out decides the split of a row, not a"),
        ({"splits": {"column": "bigvocab/x"}}, "names that begin with 'bigvocab/' are the pipeline's own"),
        ({"source": FILES, "splits": {"leave_out": 1}}, "data.splits.leave_out: data.source names the files of each"),
        ({"source": FILES, "splits": {"test": 5}}, "data.splits.test: data.source names the files of this split"),
        ({"source": {**FILES, "eval": "e.csv"}, "splits": {"train": 9}}, "data.splits.train: data.source names"),
        ({"source": {**FILES, "eval": "e.csv"}, "split_by": ["user"]}, "data.source decides the split of a row"),
        ({"source": {"kind": "csv", "train": "a.csv"}}, "source.test is missing: name the files of the test split"),
        ({"source": {"kind": "csv", "test": "a.csv"}}, "source.train is missing: name the files of the train split"),
        ({"source": {**FILES, "path": "rows.csv"}}, "source.path and source.train exclude each other"),
        ({"source": {**FILES, "train": "day-{SPAN}.csv"}}, "source.train: spans need source.path"),
        ({"source": {"kind": "sotu", "train": "a.txt"}}, "are keys of sources with a path, not of 'sotu': remove them"),
        (
            {"source": {"kind": "csv", "path": "{SPAN}.csv"}, "splits": {"by_time": "ts", "eval": 1, "test": 1}},
            "each span would be split at an end of its own",
        ),
    ],
)
def test_what_does_not_fit_together(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as caught:
        data(**{"shape": "sequence", **changes})
    assert fault in str(caught.value)
    assert len(caught.value.errors()) == 1
