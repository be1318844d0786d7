"""Keys under `data.source` that sources share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from components.extensions import source_modules
from components.files import located
from components.ingest.options.splits import SPLITS
from components.ingest.sources.files import placeholders
from components.ingest.sources.files.text_form import Encoding
from components.spec import Spec

_OTHER_KIND = "source.train, source.eval and source.test are keys of sources with a path, not of '{kind}': remove them"


class SourceSpec(Spec):
    """Source of the rows. Every kind of source has these keys."""

    elsewhere: ClassVar[dict[str, str]] = {}
    """Error message for each key of this kind that is set in a source of another built-in kind, `{kind}`."""

    kind: str
    path: str | None = None
    """File, folder or glob pattern. A relative path is relative to the configuration file. `{SPAN}` matches the number
    of a span; `{YYYY}`, `{MM}` and `{DD}` match the day of a span. In `clicks/day-{SPAN:3}/*.csv` the number has three
    digits. With either, `{VERSION}` matches the version of a span; only the newest version is read."""

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that implement the source; empty for a built-in kind."""
        return source_modules(self.kind)

    @property
    def split_paths(self) -> dict[str, str]:
        """Path of each split that has files of its own, by split; empty if the rows of all splits are together."""
        return {}

    @property
    def paths(self) -> dict[str, str]:
        """All paths by key."""
        return self.split_paths or ({"path": self.path} if self.path else {})

    def at(self, path: str) -> Self:
        """Return the specification of the rows of one path."""
        return self.model_copy(update={**dict.fromkeys(self.split_paths), "path": path})

    def to_predict(self) -> Self:
        """Return the specification that reads files of `bigvocab predict`, in which each line has one answer."""
        return self

    def relative_to(self, folder: Path) -> Self:
        """Return the specification with absolute paths. A relative path is relative to the folder."""
        changes = {key: located(path, folder) for key, path in self.paths.items() if "://" not in path}
        return self.model_copy(update=changes)


class PathlessSpec(SourceSpec):
    """Source that takes no path."""

    @model_validator(mode="after")
    def _no_path(self) -> Self:
        if self.path is not None:
            raise ValueError(f"source.path is not used with kind '{self.kind}': remove it")
        return self


class PathSpec(SourceSpec):
    """Source that requires a path, or a path for each split."""

    elsewhere: ClassVar[dict[str, str]] = dict.fromkeys(SPLITS, _OTHER_KIND)

    train: str | None = None
    """File, folder or glob pattern of the train split, in place of `path`. Requires `test`."""
    eval: str | None = None
    """File, folder or glob pattern of the eval split. None: a hash cuts the eval split from the rows of `train`, in the
    shares `data.splits.train` and `data.splits.eval`."""
    test: str | None = None
    """File, folder or glob pattern of the test split."""

    @property
    def split_paths(self) -> dict[str, str]:
        """Path of each split that has files of its own, by split; empty if the rows of all splits are together."""
        return {split: path for split in SPLITS if (path := getattr(self, split))}

    @model_validator(mode="after")
    def _paths_are_good(self) -> Self:
        given = self.split_paths
        if self.path and given:
            raise ValueError(f"source.path and source.{next(iter(given))} exclude each other: remove one")
        if not self.path and not given:
            raise ValueError(
                f"source.path is needed with kind '{self.kind}', or source.train and source.test for official splits"
            )
        if given and (missing := [split for split in ("train", "test") if split not in given]):
            raise ValueError(
                f"source.{missing[0]} is missing: name the files of the {missing[0]} split, or put all rows into "
                "source.path, and data.splits divides them"
            )
        for key, path in self.paths.items():
            faults = placeholders.faults(path)
            if key != "path" and placeholders.has_spans(path):
                faults.append("spans need source.path, with the files of all splits")
            if faults:
                raise ValueError(f"source.{key}: {'; '.join(faults)}")
        return self


class TextPathSpec(PathSpec):
    """Source of text files."""

    elsewhere: ClassVar[dict[str, str]] = {
        **PathSpec.elsewhere,
        "encoding": "source.encoding is of text files, not of kind '{kind}': remove it",
    }

    encoding: Encoding = "utf-8"
    """Encoding of the text: `utf-8`, `latin-1`, `cp1252` (Windows, Western Europe) or `utf-16`. A byte order mark at
    the start of a file has precedence."""


class LabelledLinesSpec(TextPathSpec):
    """Source of lines with any number of labels each."""

    elsewhere: ClassVar[dict[str, str]] = {
        **TextPathSpec.elsewhere,
        "several": "source.several is not a key of kind '{kind}': remove it",
    }

    several: Literal["rows", "first", "list"] = "rows"
    """Rows of a line with several labels. `rows`: a row for each label. `first`: one row, with the first label.
    `list`: one row, with the list of all labels; needs `data.label_kind: classes`, which sets it."""

    def to_predict(self) -> Self:
        """Return the specification with a single row for each line."""
        return self.model_copy(update={"several": "first"})

    def rows_of(self, labels: Sequence[str], **columns: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a line, with the columns `label` and `labels`. A line without a label has one row.

        Args:
            labels: Labels of the line.
            columns: Further columns.
        """
        if self.several == "list":
            yield {"label": [*labels], "labels": [*labels], **columns}
            return
        shown: list[str | None] = [*labels[: 1 if self.several == "first" else None]]
        for label in shown or [None]:
            yield {"label": label, "labels": [*labels], **columns}
