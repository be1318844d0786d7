"""Tests of input files: each kind of file, with good and bad rows."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.inference import model
from components.inference.rows.questions import Questions
from components.ingest.spec import DataSpec
from pipeline.cli import main
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import DICTS, GOOD, JSONL, ROWS, same
from tests.pipeline.conftest import Ask

CSV = "before,viewed,hour\n" + "".join(f"{r['before']},{r['viewed']},{r['hour']}\n" for r in DICTS)


@pytest.fixture(scope="module")
def right(tiny: Path) -> list[Any]:
    """Return the answers to `ROWS`."""
    return tiny_model.answers(tiny, ROWS)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("rows.jsonl", JSONL),
        ("rows.ndjson", JSONL.replace("\n", "\r\n")),
        ("rows.json", "\ufeff" + JSONL.removesuffix("\n")),
        ("rows.JSONL", JSONL + "\n \r\n\n"),
        ("rows", JSONL),
        ("rows.ask", "\ufeff" + JSONL),
        ("rows.txt", JSONL),
        ("rows.jsonl.gz", JSONL),
        ("rows.csv", CSV),
        ("rows.csv.gz", CSV),
        ("part-00000", CSV),  # Without an ending, like the files of the training rows.
        ("rows.csv", "\ufeff" + CSV.replace("\n", "\r\n") + "\r\n"),
        ("rows.tsv", CSV.replace(",", "\t")),
    ],
)
def test_each_kind_of_text_file_is_asked_as_training_reads_it(
    ask_rows: Ask, right: list[Any], file: str, content: str
) -> None:
    # Compressed here, not above: the bytes contain the time, which must not be part of the name of a test.
    code, found, error = ask_rows(file, gzip.compress(content.encode()) if file.endswith(".gz") else content)
    assert (code, error) == (0, "")
    assert same(found, right)


@pytest.mark.parametrize("file", ["rows.parquet", "rows.pq", "part-00000"])
def test_parquet_is_asked(ask_rows: Ask, right: list[Any], tmp_path: Path, file: str) -> None:
    pq.write_table(pa.Table.from_pylist([{**row, "user": 1.5} for row in DICTS]), tmp_path / file, row_group_size=2)
    code, found, error = ask_rows(file)
    assert (code, error) == (0, "")
    assert same(found, right)


def test_tfrecord_is_asked(ask_rows: Ask, right: list[Any]) -> None:
    with tf.io.TFRecordWriter("rows.tfrecord") as writer:
        for row in ROWS:
            writer.write(tiny_model.example(row))
    code, found, error = ask_rows("rows.tfrecord")
    assert (code, error) == (0, "")
    assert same(found, right)


def test_paragraphs_of_a_text_file_are_asked(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"shape": "sequence", "source": {"kind": "text", "path": "docs"}, "inputs": ["words"]}

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.io.parse_example(examples, {"words": tf.io.RaggedFeature(tf.string)})["words"]
        assert isinstance(words, tf.RaggedTensor)
        return {"labels": words[:, -1:].to_tensor(), "probabilities": tf.ones([len(examples), 1])}

    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "bigvocab.json").write_text(json.dumps({"data": data, "top_k": 1}))
    monkeypatch.setattr(model, "_load", lambda folder: SimpleNamespace(signatures={"serving_default": serve}))
    (tmp_path / "ask.txt").write_text("the state\nof the Union\n\nfellow citizens\n")
    assert main(["predict", "--model", str(tmp_path), "--input", str(tmp_path / "ask.txt")]) == 0
    assert [json.loads(line)[0]["label"] for line in capsys.readouterr().out.splitlines()] == ["union", "citizens"]


def test_standard_input_and_named_pipes_are_json_lines_with_their_line_numbers(
    ask_rows: Ask, right: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More lines than one batch.
    content = ("\ufeff" + JSONL * 100 + "\n{}\n" + JSONL.removesuffix("\n")).encode()
    expected = [*right * 100, None, *right]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    code, found, error = ask_rows("-")
    assert code == 0
    assert "standard input:302: before: missing column: no column 'before'" in error
    assert same(found, expected)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    code, found, error = ask_rows("pipe")
    writer.join()
    assert "pipe:302: before: missing column" in error
    assert same(found, expected)


def test_packed_standard_input_is_refused(ask_rows: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(JSONL.encode()))))
    reason = "bigvocab: standard input: packed with gzip: unpack it, as with `zcat FILE |`\n"
    assert ask_rows("-") == (1, [], reason)


def test_characters_that_python_takes_for_line_ends_cut_no_row_and_no_answer(
    ask_rows: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        viewed: Any = tf.io.parse_example(examples, {"viewed": tf.io.FixedLenFeature([1], tf.string)})["viewed"]
        return {"labels": viewed, "probabilities": tf.ones([len(examples), 1])}

    monkeypatch.setattr(model, "_load", lambda folder: SimpleNamespace(signatures={"serving_default": serve}))
    values = ["a\u2028b", "a\u2029b", "a\x85b", "a\x0b\x0c\x1cb"]
    rows = [json.dumps({"before": "x", "viewed": v}, ensure_ascii=False) for v in values]
    code, found, error = ask_rows("rows.jsonl", "\n".join(rows))
    assert (code, error) == (0, "")
    assert [answer[0]["label"] for answer in found] == values


def test_columns_that_the_model_does_not_use_are_ignored_whatever_is_in_them(ask_rows: Ask, right: list[Any]) -> None:
    others = {"user": None, "ts": 1.5, "bought": {"x": 1}, "shop": [1.5, 2.5], "constructor": "\n"}
    code, found, error = ask_rows("rows.jsonl", "".join(json.dumps({**others, **row}) + "\n" for row in DICTS))
    assert (code, error) == (0, "")
    assert same(found, right)


@pytest.mark.parametrize("column", ["our", "HOUR", "hours"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_column_that_resembles_a_missing_feature_is_reported_once(
    ask_rows: Ask, tiny: Path, tmp_path: Path, kind: str, column: str
) -> None:
    rows = [{**{name: row[name] for name in ("before", "viewed")}, column: row["hour"], "user": 7} for row in DICTS]
    table = pa.Table.from_pylist(rows)
    content = {
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "csv": table.to_pandas().to_csv(index=False).encode(),
        "parquet": None,
    }[kind]
    pq.write_table(table, tmp_path / "rows.parquet")
    code, found, error = ask_rows(f"rows.{kind}", content)
    assert code == 0
    assert same(found, tiny_model.answers(tiny, [(before, viewed, None) for before, viewed, _ in ROWS]))
    assert error.count("\n") == 1
    assert (
        f"no column 'hour'; did you mean '{column}'? Rows without it are answered as if the value were unknown" in error
    )


def test_a_missing_feature_without_a_column_that_resembles_it_is_no_matter(ask_rows: Ask) -> None:
    code, found, error = ask_rows("rows.jsonl", '{"before": "a", "viewed": "b", "user": 1, "yes": 2}\n')
    assert (code, len(found), error) == (0, 1, "")


BAD = {
    b'{"before": ': "not JSON",
    b"[1]": "not a JSON object: a list where an object belongs",
    b'"x"': "not a JSON object",
    b'{"before": "", "viewed": []}': "0 tokens, at least 1 are needed",
    b'{"before": "a", "viewd": "b"}': "viewed: missing column: no column 'viewed'; did you mean 'viewd'?",
    b'{"before": "a", "VIEWED": "b"}': "did you mean 'VIEWED'?",
    b'{"before": {"x": 1}, "viewed": "b"}': "before: wrong type",
    b'{"before": "a", "viewed": "b", "hour": "late"}': "hour: not a number",
    b'{"before": "\xff", "viewed": "b"}': "not UTF-8",
    b'{"before": "\\ud800", "viewed": "b"}': "not JSON",
    b'{"before": "a", "viewed": ["b", ""]}': "viewed: empty token",
    b"null": "not a JSON object",
}


@pytest.mark.parametrize("line", BAD)
def test_an_unusable_row_is_answered_with_null_and_a_reason(ask_rows: Ask, right: list[Any], line: bytes) -> None:
    code, found, error = ask_rows("rows.jsonl", b"\n".join([GOOD[0], b"", line, GOOD[1]]))
    first, second, _ = right
    assert code == 0
    assert same(found, [first, None, second])
    reason, count = error.splitlines()
    assert reason.startswith("rows.jsonl:3: ")
    assert BAD[line] in reason
    assert count == "bigvocab: 1 of 3 rows cannot be used and have no answer"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from([*range(len(GOOD)), *BAD, b"", b" \r"]), max_size=600))
def test_every_row_that_is_not_blank_has_an_answer_in_its_place(
    ask_rows: Ask, right: list[Any], lines: list[int | bytes]
) -> None:
    code, found, error = ask_rows("rows.jsonl", b"\n".join(GOOD[x] if isinstance(x, int) else x for x in lines))
    expected = [right[x] if isinstance(x, int) else None for x in lines if isinstance(x, int) or x.strip()]
    assert same(found, expected)
    assert code == (1 if expected and not any(expected) else 0)
    unusable = [n for n, x in enumerate(lines, 1) if not isinstance(x, int) and x.strip()]
    reported = [line for line in error.splitlines() if line.startswith("rows.jsonl:")]
    assert [int(line.split(":")[1]) for line in reported] == unusable[:20]


def test_an_unusable_row_of_csv_is_answered_in_its_place(ask_rows: Ask, right: list[Any]) -> None:
    head, *rows = CSV.splitlines()
    code, found, error = ask_rows("rows.csv", "\n".join([head, rows[0], "a,b", "a,b,late", rows[2]]))
    first, _, third = right
    assert code == 0
    assert same(found, [first, None, None, third])
    assert "rows.csv:3: " in error
    assert "rows.csv:4: hour: " in error


def test_no_usable_row_is_a_failure_that_tells_twenty_reasons(ask_rows: Ask) -> None:
    code, found, error = ask_rows("rows.jsonl", '{"viewd": "a"}\n' * 300)
    assert (code, found) == (1, [None] * 300)
    *reasons, last = error.splitlines()
    assert [line.split(" ")[0] for line in reasons] == [f"rows.jsonl:{n}:" for n in range(1, 21)]
    assert last == "bigvocab: none of the 300 rows of rows.jsonl can be used: the reasons are above"


@pytest.mark.parametrize("content", ["", "\n\r\n"])
def test_a_file_without_rows_has_no_answers(ask_rows: Ask, content: str) -> None:
    assert ask_rows("rows.jsonl", content) == (0, [], "bigvocab: rows.jsonl has no rows: no answers\n")


def test_a_header_without_an_input_is_reported_once(ask_rows: Ask, tmp_path: Path) -> None:
    code, found, error = ask_rows("rows.csv", CSV.replace("viewed", "viewd"))
    assert (code, found) == (1, [])
    assert error.startswith("bigvocab: rows.csv: no column 'viewed'; did you mean 'viewd'?")
    pq.write_table(pa.table({"before": ["a"], "viewd": ["b"]}), tmp_path / "rows.parquet")
    code, found, error = ask_rows("rows.parquet")
    assert (code, found) == (1, [])
    assert error.startswith("bigvocab: rows.parquet: no column 'viewed'; did you mean 'viewd'?")


def test_a_file_that_breaks_off_is_answered_up_to_there_and_a_failure(ask_rows: Ask, tiny: Path) -> None:
    # Several blocks of the reader. Random content, so that half of the bytes are half of the rows.
    more = random.Random(1)
    rows = [
        f'{{"before": "i{n % 7}", "viewed": "i{n % 5}", "x": "{more.randbytes(400).hex()}"}}\n' for n in range(5_000)
    ]
    packed = gzip.compress("".join(rows).encode())
    code, found, error = ask_rows("rows.jsonl.gz", packed[: len(packed) // 2])
    assert code == 1
    assert 0 < len(found) < 5_000
    expected = tiny_model.answers(tiny, [([f"i{n % 7}"], [f"i{n % 5}"], None) for n in range(35)])
    assert same(found, [expected[n % 35] for n in range(len(found))])
    assert error.startswith("bigvocab: rows.jsonl.gz: ")
    assert error.count("\n") == 1
    assert ask_rows("rows.jsonl.gz", None, "--output", "out.jsonl")[0] == 1
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl.gz"]


def test_a_file_that_is_not_what_its_name_says(ask_rows: Ask) -> None:
    code, found, error = ask_rows("rows.parquet", "no such thing")
    assert (code, found) == (1, [])
    assert error.startswith("bigvocab: rows.parquet: ")
    assert error.count("\n") == 1


def test_rows_are_read_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def stream() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield GOOD[0] + b"\n"

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream()))
    batches = model._batches(Questions(DataSpec.model_validate(tiny_model.DATA), print).of_file("-"), 256)
    assert [len(next(batches)) for _ in range(3)] == [256] * 3
    assert read == 3 * 256
