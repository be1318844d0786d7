"""Tests of the extent of a source, which is estimated before the rows are read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from components.ingest.extent import extent_of
from components.ingest.spec import DataSpec

ROWS = 2_000
LABELLED = {"shape": "labelled", "inputs": ["a", "b"], "label": "c", "tokenizer": "none"}


def data(source: dict[str, Any], **keys: Any) -> DataSpec:
    return DataSpec.model_validate({**LABELLED, "source": source, **keys})


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Return a file with three short columns that are used, and a long one that is not."""
    file = tmp_path / "rows.csv"
    rows = (f"{n % 100:03},{n % 7:03},{n % 5:03},{'x' * 35}\n" for n in range(ROWS))
    file.write_text("a,b,c,note\n" + "".join(rows))
    return file


def test_only_the_used_columns_count(csv: Path) -> None:
    found = extent_of(data({"kind": "csv", "path": str(csv)}))
    assert found
    assert found.size == pytest.approx(ROWS * 12, rel=0.05)
    assert found.tokens == pytest.approx(ROWS * 2, rel=0.05)
    assert found.rows == pytest.approx(ROWS, rel=0.05)
    assert found.columns == 3
    half = extent_of(data({"kind": "csv", "path": str(csv)}, share=0.5))
    assert half
    assert half.size == pytest.approx(found.size / 2, rel=0.01)


def test_a_packed_file_counts_as_unpacked(csv: Path) -> None:
    packed = csv.with_name("packed.csv.gz")
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    found = extent_of(data({"kind": "csv", "path": str(packed)}))
    assert found
    assert found.size == pytest.approx(4 * packed.stat().st_size * 12 / 48, rel=0.05)


def test_the_tokens_of_texts_and_lists(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"items": ["one", "two", "three"]}) + "\n" for _ in range(ROWS)))
    sequence = {"shape": "sequence", "inputs": ["items"], "source": {"kind": "jsonl", "path": str(file)}}
    found = extent_of(DataSpec.model_validate({**sequence, "tokenizer": "none"}))
    assert found
    assert found.size == file.stat().st_size
    assert found.tokens / found.size == pytest.approx(3 / 14, rel=0.01)
    file.write_text("".join(json.dumps({"items": "some words of a text"}) + "\n" for _ in range(ROWS)))
    found = extent_of(DataSpec.model_validate(sequence))
    assert found
    assert found.tokens == pytest.approx(found.size / 6, rel=0.2)


def test_a_vocabulary_grows_slower_than_the_data(csv: Path) -> None:
    found = extent_of(data({"kind": "csv", "path": str(csv)}))
    assert found
    assert found.distinct(100) == 100
    assert found.distinct(10**9) < found.tokens


@pytest.mark.parametrize("path", ["gs://bucket/rows.csv", "missing.csv"])
def test_a_source_elsewhere_has_no_extent(path: str, tmp_path: Path) -> None:
    assert extent_of(data({"kind": "csv", "path": path if "://" in path else str(tmp_path / path)})) is None


def test_rows_without_a_used_column_have_no_extent(csv: Path) -> None:
    assert extent_of(data({"kind": "csv", "path": str(csv)}, inputs=["d", "e"], label="f")) is None


def test_only_the_spans_that_train_count(tmp_path: Path) -> None:
    for span, rows in ((1, 500), (2, 100)):
        (tmp_path / f"{span}.csv").write_text("a,b,c\n" + "1,2,3\n" * rows)
    of = data({"kind": "csv", "path": str(tmp_path / "{SPAN:1}.csv")})
    sizes = [extent.size for spans in ([2], [1, 2]) if (extent := extent_of(of, spans))]
    assert sizes == [606, 3612]
