"""Tests of the rules that assign rows, or the positions of a row, to the splits."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import RowError
from components.ingest.rows.assignment import Assignment, Part, split_rule
from components.ingest.rows.times import Boundaries
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL
from tests.drawing import drawn

KEY = bytes(16)
SOURCE = {"kind": "jsonl", "path": "rows.jsonl"}
FILES = {"kind": "jsonl", "train": "train.jsonl", "test": "test.jsonl"}


def sequence(splits: dict[str, Any], source: dict[str, Any] = SOURCE) -> DataSpec:
    return DataSpec.model_validate({"shape": "sequence", "source": source, "inputs": ["items"], "splits": splits})


def labelled(splits: dict[str, Any], source: dict[str, Any] = SOURCE) -> DataSpec:
    columns = {"shape": "labelled", "inputs": ["seen"], "label": "bought"}
    return DataSpec.model_validate({**columns, "source": source, "splits": splits})


def parts(data: DataSpec, tokens: list[str], times: Any = None, boundaries: Boundaries | None = None) -> list[Part]:
    columns: dict[str, Any] = {"items": tokens, "year": [1946.0]}
    return list(Assignment(data, boundaries)({"items": tokens, "ts": times}, columns, KEY))


def labels(part: Part) -> list[str]:
    """Return the labels of a part as a reader of its Example finds them."""
    (first,) = part.columns[FIRST_LABEL]
    return [str(token) for token in part.columns["items"][int(first) :]]


@pytest.mark.parametrize(
    ("tokens", "leave_out", "expected"),
    [
        ("a b", 1, {"test": ("a b", "b")}),
        ("a b c", 1, {"eval": ("a b", "b"), "test": ("a b c", "c")}),
        ("a b c d", 1, {"train": ("a b", "b"), "eval": ("a b c", "c"), "test": ("a b c d", "d")}),
        ("a b a d e", 1, {"train": ("a b a", "b a"), "eval": ("a b a d", "d"), "test": ("a b a d e", "e")}),
        ("a b c d e f", 2, {"train": ("a b", "b"), "eval": ("a b c d", "c d"), "test": ("a b c d e f", "e f")}),
        ("a b c d e", 2, {"eval": ("a b c", "b c"), "test": ("a b c d e", "d e")}),
        ("a b c", 2, {"test": ("a b c", "b c")}),
        ("a b", 5, {"test": ("a b", "b")}),
    ],
)
def test_the_last_tokens_are_left_out(tokens: str, leave_out: int, expected: dict[str, tuple[str, str]]) -> None:
    found = parts(sequence({"leave_out": leave_out}), tokens.split())
    assert {part.split: (" ".join(part.columns["items"]), " ".join(labels(part))) for part in found} == expected  # type: ignore[arg-type]
    assert [part.labels for part in found] == [len(labels(part)) for part in found]
    assert all(part.columns["year"] == [1946.0] for part in found)


def check_that_each_label_is_once(tokens: list[str], found: list[Part]) -> None:
    """Check that the labels of the splits are those of the whole row, each with all tokens before it."""
    positions: list[int] = []
    for part in found:
        (first,) = part.columns[FIRST_LABEL]
        end = len(part.columns["items"])
        assert part.columns["items"] == tokens[:end]
        assert part.labels == end - int(first) > 0
        positions += range(int(first), end)
    assert sorted(positions) == list(range(1, len(tokens)))
    assert len({part.split for part in found}) == len(found)


@drawn()
@given(length=st.integers(2, 30), leave_out=st.integers(1, 20))
def test_each_label_is_in_one_split_by_position(length: int, leave_out: int) -> None:
    tokens = [f"t{n}" for n in range(length)]
    found = parts(sequence({"leave_out": leave_out}), tokens)
    check_that_each_label_is_once(tokens, found)
    by_split = {part.split: labels(part) for part in found}
    assert by_split["test"] == tokens[1:][-leave_out:]
    assert by_split.get("eval", []) == tokens[1:-leave_out][-leave_out:]


@drawn()
@given(
    times=st.lists(st.integers(0, 40), min_size=2, max_size=20).map(sorted),
    bounds=st.tuples(st.integers(-1, 41), st.integers(-1, 41)).map(sorted),
)
def test_each_label_is_in_the_split_of_its_time(times: list[int], bounds: list[int]) -> None:
    tokens = [f"t{n}" for n in range(len(times))]
    data = sequence({"by_time": "ts", "eval": 1, "test": 1})
    found = parts(data, tokens, times, Boundaries((bounds[0], bounds[1]), ""))
    check_that_each_label_is_once(tokens, found)
    time_of = dict(zip(tokens, times, strict=True))
    for part in found:
        for label in labels(part):
            expected = "train" if time_of[label] <= bounds[0] else "eval" if time_of[label] <= bounds[1] else "test"
            assert part.split == expected


def test_one_time_is_that_of_all_tokens() -> None:
    data, boundaries = sequence({"by_time": "ts", "eval": 1, "test": 1}), Boundaries((10, 20), "")
    for time, split in ((10, "train"), (11, "eval"), (20, "eval"), (21, "test"), ("21", "test"), ([5], "train")):
        (part,) = parts(data, ["a", "b", "c"], time, boundaries)
        assert (part.split, labels(part)) == (split, ["b", "c"])


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        (None, "ts: no time: no value in 'ts'"),
        ([1, None, 3], "ts: no time: no value in 'ts'"),
        ("soon", "ts: not a time: column 'ts' holds 'soon'"),
        ([1, 2], "ts: wrong number of times: 2 times in 'ts', expected 1, or 3, one for each token"),
        ([1, 3, 2], "ts: not in order: the times in 'ts' decrease: sort the tokens by time"),
        (True, "ts: not a time"),
    ],
)
def test_a_row_without_usable_times_is_a_bad_row(times: Any, fault: str) -> None:
    data = sequence({"by_time": "ts", "eval": 1, "test": 1})
    with pytest.raises(RowError) as caught:
        parts(data, ["a", "b", "c"], times, Boundaries((10, 20), ""))
    assert str(caught.value).startswith(fault)


def test_times_in_a_text_are_those_of_the_tokens() -> None:
    data, boundaries = sequence({"by_time": "ts", "eval": 1, "test": 1}), Boundaries((10, 20), "")
    assert [p.split for p in parts(data, ["a", "b", "c"], "1 11 21", boundaries)] == ["eval", "test"]
    # A date with a time of day is one time, though it has a space.
    day = datetime.datetime(2020, 1, 1, 10, tzinfo=datetime.UTC).timestamp()
    (part,) = parts(data, ["a", "b"], "2020-01-01 10:00", Boundaries((day - 1, day), ""))
    assert part.split == "eval"


@pytest.mark.parametrize(
    ("value", "split"),
    [("train", "train"), ("Eval", "eval"), (" test", "test"), ("valid", "eval"), ("validation", "eval"),
     ("val", "eval"), ("DEV", "eval")],
)  # fmt: skip
def test_a_column_names_the_split(value: str, split: str) -> None:
    columns: Any = {"seen": ["a", "b"], "bought": ["c"]}
    (part,) = Assignment(labelled({"column": "part"}))({"part": value}, columns, KEY)
    assert part == Part(split, columns, 1)


def test_another_value_in_the_column_is_a_bad_row() -> None:
    assign = Assignment(labelled({"column": "part"}))
    with pytest.raises(RowError, match=r"part: unknown split: column 'part' holds 'tset', .* did you mean 'test'\?"):
        list(assign({"part": "tset"}, {"seen": ["a"]}, KEY))
    with pytest.raises(RowError, match="part: missing column: no column 'part'; did you mean 'parts'"):
        list(assign({"parts": "test"}, {"seen": ["a"]}, KEY))
    for row in ({"part": None}, {"part": ""}):
        with pytest.raises(RowError, match="part: no split: no value in 'part', which names the row's split"):
            list(assign(row, {"seen": ["a"]}, KEY))


def keys(count: int) -> list[bytes]:
    return [number.to_bytes(8, "big") + bytes(8) for number in range(count)]


@pytest.mark.parametrize(
    ("source", "shares", "split", "expected"),
    [
        (SOURCE, {"train": 8, "eval": 1, "test": 1}, "", {"train": 80, "eval": 10, "test": 10}),
        (SOURCE, {}, "", {"train": 90, "eval": 5, "test": 5}),
        (FILES, {"train": 7, "eval": 3}, "train", {"train": 70, "eval": 30}),
        (FILES, {"train": 7, "eval": 3}, "test", {"test": 100}),
        ({**FILES, "eval": "eval.jsonl"}, {}, "train", {"train": 100}),
        ({**FILES, "eval": "eval.jsonl"}, {}, "eval", {"eval": 100}),
    ],
)
def test_shares_and_files(source: dict[str, str], shares: dict, split: str, expected: dict[str, int]) -> None:
    assign = Assignment(labelled(shares, source))
    found = [part.split for key in keys(100) for part in assign({}, {"seen": ["a"]}, key, split)]
    assert Counter(found) == expected


def test_a_rule_is_said_in_words_unless_a_hash_decides() -> None:
    assert split_rule(sequence({})) == ""
    assert split_rule(labelled({"column": "part"})) == "Column 'part' names the split of each row."
    assert split_rule(sequence({"leave_out": 1})).startswith("By position: the last token is test, the token before")
    assert "the last 3 tokens are test, the 3 before eval" in split_rule(sequence({"leave_out": 3}))
    assert "a hash cuts the eval split from the rows of the train files" in split_rule(sequence({}, FILES))
    assert split_rule(sequence({}, {**FILES, "eval": "e.jsonl"})) == "Each split has its own files."
