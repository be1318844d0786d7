"""Tests that results of Beam pipelines survive their files exactly, and that damaged files are refused."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.beam_results import BeamResult, DamagedResult, to_plain
from components.inference.shards import Shard
from components.ingest.counts import Counts, FileCounts
from components.ingest.odd_values import OddValues
from components.ingest.rows.times import Latest
from components.ingest.sources.files.ranges import Range
from tests.drawing import drawn


@pytest.fixture(scope="module", autouse=True)
def _no_syncs() -> Iterator[None]:
    """Skip the syncs of the files: each takes 10 ms, and this file writes a thousand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


# Names of columns may hold half of a surrogate pair, and file names that are not UTF-8 do.
texts = st.text(max_size=8) | st.sampled_from(["", "\udc80", "\ud800x", "\u2028", "a\0b", '"\\\n'])
whole = st.integers() | st.sampled_from([2**53 + 1, -(2**63), 2**64, 10**30])
times = whole | st.floats(allow_nan=False)


def counters(keys: st.SearchStrategy) -> st.SearchStrategy:
    return st.dictionaries(keys, whole, max_size=4).map(Counter)


ranges = st.builds(Range, texts, whole, st.none() | whole, whole, st.none() | whole, texts)
latest = st.builds(Latest, st.dictionaries(texts, st.tuples(times, texts, whole), max_size=3))
file_counts = st.builds(FileCounts, *(whole for _ in fields(FileCounts)))
counts = st.builds(
    Counts,
    files=st.dictionaries(texts, file_counts, max_size=3),
    rows=counters(texts),
    examples=counters(texts),
    bad=counters(texts),
    doubtful=whole,
    broken=st.dictionaries(texts, texts, max_size=3),
    letters=st.dictionaries(texts, st.lists(st.tuples(texts, whole, texts), max_size=3), max_size=3),
    unseen=st.sets(texts, max_size=3),
    columns=st.sets(texts, max_size=3),
    odd=st.builds(OddValues, whole, counters(texts), counters(st.tuples(texts, texts))),
    grouped=st.none() | file_counts,
)
shards = st.builds(Shard, whole, whole, whole, st.lists(texts, max_size=3), st.lists(texts, max_size=3), texts)


@dataclass
class Of:
    """Values of every other kind."""

    flags: dict[tuple[bool, int], list[float | None]]
    rest: set[tuple[str, int]]


others = st.builds(
    Of,
    st.dictionaries(st.tuples(st.booleans(), whole), st.lists(st.floats() | st.none(), max_size=4), max_size=3),
    st.sets(st.tuples(texts, whole), max_size=3),
)


def exactly(value: Any) -> Any:
    """Return types and texts: 1 differs from 1.0, 0.0 from -0.0, and an absent count from 0; NaN equals NaN."""
    if is_dataclass(value):
        return type(value), [(each.name, exactly(getattr(value, each.name))) for each in fields(value)]
    if isinstance(value, dict):
        return type(value), [(exactly(key), exactly(each)) for key, each in value.items()]
    if isinstance(value, list | tuple):
        return type(value), tuple(exactly(each) for each in value)
    return type(value), {exactly(each) for each in value} if isinstance(value, set) else repr(value)


Cut = tuple[int, list[Range], str]
KINDS: list[tuple[Any, st.SearchStrategy]] = [
    (Counts, counts),
    (Latest, latest),
    (list[tuple[str, int]], st.lists(st.tuples(texts, whole), max_size=4)),
    (list[tuple[str, str]], st.lists(st.tuples(texts, texts), max_size=4)),
    (list[Cut], st.lists(st.tuples(whole, st.lists(ranges, max_size=3), texts), max_size=3)),
    (list[Shard], st.lists(shards, max_size=3)),
    (Of, others),
]


@pytest.mark.parametrize(("kind", "results"), KINDS, ids=[str(kind) for kind, _ in KINDS])
@drawn(60)
@given(data=st.data())
def test_a_result_is_read_as_it_was_written(kind: Any, results: st.SearchStrategy, data: st.DataObject) -> None:
    result = data.draw(results)
    with tempfile.TemporaryDirectory() as folder:
        file = pickle.loads(pickle.dumps(BeamResult(f"{folder}/result.json", kind)))  # As Beam sends it to a worker.
        file.write(result)
        found = file.read()
    assert exactly(found) == exactly(result)


def test_a_number_of_numpy_becomes_a_number_of_python(tmp_path: Path) -> None:
    file = BeamResult(str(tmp_path / "result.json"), Latest)
    file.write(Latest({"number": (np.float64(0.1), "a.csv", 3)}))
    (time, _, _) = file.read().found["number"]
    assert (type(time), time) == (float, 0.1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"a", bytes),
        (b"a", str),
        (1, float),
        (True, int),
        (None, int),
        ([1], tuple[int]),
        ((1, 2), tuple[int]),
        ({"a": 1}, Counter[str]),
        (Range("a", start="0"), Range),  # pyright: ignore[reportArgumentType]
        (Shard(0), Range),
    ],
)
def test_a_value_of_another_type_is_not_written(value: Any, kind: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="expected .*, found "):
        BeamResult(str(tmp_path / "result.json"), kind).write(value)
    assert not list(tmp_path.iterdir())


GOOD = to_plain(Latest({"number": (1, "a.csv", 3)}), Latest)


@pytest.mark.parametrize(
    ("contents", "fault"),
    [
        (b"", "Expecting value"),
        (b'{"found": [["nu', "Unterminated string"),
        (b"\x80\x04K\x01.", "can't decode byte 0x80"),
        (b"[" * 100_000, "recursion"),
        (b"null", "result: expected Latest, found None"),
        (b"{}", "result: expected Latest, found {}"),
        (json.dumps({**GOOD, "more": 1}).encode(), "result: expected Latest, found {'found'"),
        (b'{"found": {}}', "result.found: expected .*, found {}"),
        (b'{"found": [["number", [true, "a.csv", 3]]]}', r"result.found\[0\]\[1\]\[0\]: expected .*, found True"),
        (b'{"found": [["number", [1, "a.csv", 3.0]]]}', r"result.found\[0\]\[1\]\[2\]: expected int, found 3.0"),
        (b'{"found": [["number", [1, "a.csv"]]]}', r"result.found\[0\]\[1\]: expected .*, found \[1, 'a.csv'\]"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(contents: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(contents)
    with pytest.raises(DamagedResult, match=fault) as error:
        BeamResult(str(path), Latest).read()
    message = str(error.value)
    assert message.startswith(f"{path}: not the result of a Beam pipeline: ")
    assert message.endswith("run again")
    assert len(message.splitlines()) == 1


@drawn(200)
@given(counts, st.data())
def test_a_cut_file_is_refused(result: Counts, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = BeamResult(f"{folder}/result.json", Counts)
        file.write(result)
        contents = Path(file.path).read_bytes()
        Path(file.path).write_bytes(contents[: data.draw(st.integers(0, len(contents) - 1))])
        with pytest.raises(DamagedResult):
            file.read()
