"""Tests of a user's own source, in a package that BigVocab does not know."""

from __future__ import annotations

import pickle
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import loky
import pytest

from components.code import fingerprint
from components.ingest.errors import IngestError
from components.ingest.rows.shards import RangeReader, examples_of
from components.ingest.sources import base
from components.ingest.sources.base import Range
from components.ingest.sources.registry import source_of, spec_of_file
from components.ingest.spec import DataSpec, SourceSpec
from tests.components.ingest.conftest import Ingest

COUNT_MODULE = """
from components.ingest.sources.base import SourceSpec

class CountSpec(SourceSpec):
    rows: int

class Count(Source[CountSpec]):
    "Source without files."
    Spec = CountSpec

    def files(self, base, pattern):
        return ["first", "second"]

    def fingerprint(self, files, base):
        return str(self.spec.rows)

    def size(self, files):
        return 0

    def rows(self, file_range, used, lines):
        for number in range(1, self.spec.rows + 1):
            yield number, {"words": f"{file_range.path} row is number {number}"}
"""
_EXAMPLE = re.search(r"\n( {4}from components.*?)(?= {4}source: )", base.__doc__ or "", re.DOTALL)
assert _EXAMPLE
MODULE = textwrap.dedent(_EXAMPLE[1]) + COUNT_MODULE
"""The example of the interface's docstring, and a source without files."""
PACKAGE = "made_up_sources"
CELLS, COUNT = f"{PACKAGE}.own:Cells", f"{PACKAGE}.own:Count"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "elsewhere" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(folder.parent)
    fingerprint.cache_clear()
    yield folder
    fingerprint.cache_clear()
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def data(**source: Any) -> DataSpec:
    splits = {"train": 2, "eval": 1, "test": 1}
    return DataSpec.model_validate({"shape": "sequence", "source": source, "inputs": ["words"], "splits": splits})


def cells(path: str) -> DataSpec:
    return data(kind=CELLS, path=path, columns=["year", "words"])


def write(file: Path, paragraphs: list[str]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"1946|{paragraph}\n" for paragraph in paragraphs if "|" not in paragraph))


def test_its_files_are_read_like_those_of_any_source(tmp_path: Path, ingest: Ingest, paragraphs: list[str]) -> None:
    write(tmp_path / "rows" / "a.cells", paragraphs[:150])
    write(tmp_path / "rows" / "b.CELLS", paragraphs[150:300])
    (tmp_path / "rows" / "notes.txt").write_text("not read")
    with (tmp_path / "rows" / "a.cells").open("a") as file:
        file.write("a line with one cell\n")
    found = ingest(cells("rows"))
    counts = found.counts()
    assert counts["read"] == 301
    assert counts["bad"] == {"wrong number of cells": 1}
    assert found.dead_letters()[0]["line"] == 151
    assert sum(counts["rows"].values()) == len(found.all_rows()) == 300 - counts["short"]


def test_a_source_without_files_is_read_too(ingest: Ingest) -> None:
    found = ingest(data(kind=COUNT, rows=40))
    assert found.counts()["read"] == 80
    assert ["first", "row", "is", "number", "7"] in [row["words"] for row in found.all_rows()]


def test_its_path_is_checked_like_any_other(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows" / "a.cells", ["the state"])
    with pytest.raises(IngestError, match=r"rowz' does not exist; did you mean 'rows'"):
        ingest(cells("rowz"))
    assert source_of(cells(str(tmp_path / "row")).source).missing() == [
        f"data.source.path: {tmp_path}/row is not there; did you mean 'rows'?"
    ]
    with pytest.raises(ValueError, match=r"source\.path is needed with kind"):
        data(kind=CELLS, columns=["words"])


def test_a_worker_finds_the_class_by_its_path(tmp_path: Path, paragraphs: list[str]) -> None:
    write(tmp_path / "rows" / "a.cells", paragraphs[:50])
    reader = RangeReader(cells("rows"), {"train": 1, "eval": 1, "test": 1}, str(tmp_path))
    # A fresh process, and bytes that reference the class by its path, as remote workers receive it.
    assert MODULE.encode()[-80:] not in pickle.dumps(reader)
    with loky.ProcessPoolExecutor(1) as executor:
        counts, pieces = executor.submit(reader, Range(str(tmp_path / "rows" / "a.cells"))).result()
    assert counts.all_files.read == 50
    assert sum(len(examples_of([piece])) for _, piece in pieces) == counts.rows.total()


def test_its_code_and_that_alone_is_in_the_fingerprint(package: Path) -> None:
    def now(spec: SourceSpec) -> str:
        fingerprint.cache_clear()
        return fingerprint("components.ingest.component", *spec.source_modules)

    own, csv = cells("rows").source, data(kind="csv", path="x").source
    before = now(own), now(csv)
    assert now(own) == before[0]
    (package / "own.py").write_text(MODULE + "# changed\n")
    assert now(own) != before[0]
    assert now(csv) == before[1]


@pytest.mark.parametrize(
    ("file", "head", "kind"),
    [
        ("new.cells", b"1946|x", CELLS),
        ("new.cells.gz", b"\x1f\x8b", CELLS),
        ("new", b"1946|x", CELLS),
        ("new", b'{"words"', "jsonl"),
        ("new.csv", b"1946|x", "csv"),
        ("new.cells", b"PAR1", "parquet"),
    ],
)
def test_a_model_of_it_is_asked_files_of_its_kind_and_of_others(file: str, head: bytes, kind: str) -> None:
    found = spec_of_file(file, head, cells("rows").source)
    assert (found.kind, found.path) == (kind, file)
    if kind == CELLS:
        assert found.model_dump()["columns"] == ["year", "words"]
