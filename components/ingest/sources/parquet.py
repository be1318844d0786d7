"""Source `parquet`: Parquet files, including those of a Delta table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from components.ingest.errors import BrokenFile
from components.ingest.sources.base import RANGE_BYTES, Lines, PathSpec, Range, Rows, Source, Sure, Table
from components.ingest.sources.files.opening import open_source

_MAGIC = b"PAR1"
_BATCH = 4_096
"""Number of rows of a table."""


class ParquetSpec(PathSpec):
    """Parquet files. For a Delta table, which is a folder with `_delta_log`, the newest version is read."""

    kind: Literal["parquet"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Parquet(Source[ParquetSpec]):
    """Source of the rows of Parquet files, cut between row groups. It reads only the used columns."""

    # pyarrow and TFX are imported in the methods, because reading a configuration does not need them.

    Spec = ParquetSpec
    endings = (".parquet", ".pq")
    unnamed = False
    partial = True

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of the row groups of a range, with the used columns that exist in the file."""
        for table in self.blocks(file_range, used, lines):
            yield from table.numbered()

    def blocks(self, file_range: Range, used: Sequence[str], lines: Lines) -> Iterator[Table]:
        """Yield the row groups of a range as tables of some thousand rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        number = file_range.line
        try:
            with open_source(file_range.path, unpack=False) as stream:
                file = pq.ParquetFile(stream)
                names = [n for n in used if n in _names(file.schema_arrow)]
                end = file.num_row_groups if file_range.end is None else file_range.end
                groups = list(range(file_range.start, end))
                for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups, columns=names):
                    columns = dict(zip(batch.schema.names, map(_decoded, batch.columns), strict=True))
                    for name, column in columns.items():
                        _check_values(name, column, file_range.path, number)
                    yield Table(columns, number, batch.num_rows)
                    number += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise BrokenFile(f"{file_range.path}: cannot be read as Parquet from row {number:,} on: {error}") from error

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield a range for each row group of any size."""
        import pyarrow.parquet as pq

        with open_source(path, unpack=False) as stream:
            meta = pq.ParquetFile(stream).metadata
            row = 1
            for group in range(meta.num_row_groups):
                rows = meta.row_group(group).num_rows
                yield Range(path, group, group + 1, row, rows)
                row += rows

    def columns(self, file: str, used: Sequence[str]) -> list[str]:
        """Return the columns in the schema of the file, including fields of objects such as `user.os`."""
        import pyarrow.parquet as pq

        try:
            with open_source(file, unpack=False) as stream:
                return _names(pq.ParquetFile(stream).schema_arrow)
        except Exception as error:  # pyarrow's errors share no base below Exception
            raise BrokenFile(f"{file}: cannot be read as Parquet: {error}") from error

    def newest(self, folder: str) -> set[str] | None:
        """Return the files of the newest version if the folder is a Delta table, otherwise None."""
        from components.ingest.sources.files.delta import files_of_newest_version

        return files_of_newest_version(folder)

    def packed(self, path: str) -> bool:
        """Return True for every `.parquet` file, because the format compresses its columns."""
        return self.named(path) or super().packed(path)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return the confidence by the magic bytes or by the name."""
        return Sure.CONTENT_SAYS if head.startswith(_MAGIC) else super().recognize(path, head)


def _check_values(name: str, column: Any, path: str, number: int) -> None:
    """Check that Python can represent all values of a column, unlike a date after the year 9999.

    Raises:
        BrokenFile: The column has a value that Python cannot represent.
    """
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return
    try:
        column.to_pylist()
    except (OverflowError, ValueError) as error:
        reason = f"column '{name}' has a value that Python cannot hold: {error}: write it as text"
        raise BrokenFile(f"{path}: rows {number:,} to {number + len(column) - 1:,}: {reason}") from error


def _names(schema: Iterable[Any], prefix: str = "") -> list[str]:
    """Return the names of the fields of a schema or an object, each followed by the names of its inner fields."""
    import pyarrow as pa

    names = []
    for field in schema:
        names.append(f"{prefix}{field.name}")
        if pa.types.is_struct(field.type):
            names += _names(field.type, f"{prefix}{field.name}.")
    return names


def _decoded(column: Any) -> Any:
    """Return a column with dictionaries decoded and all texts of one type."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
