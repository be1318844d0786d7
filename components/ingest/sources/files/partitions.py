"""Columns in the names of folders, as Spark and Hive write them. For `country=DE/part-00000.parquet`, it is `country`.

Source: https://spark.apache.org/docs/latest/sql-data-sources-parquet.html#partition-discovery
"""

from __future__ import annotations

from urllib.parse import unquote

_NULL = "__HIVE_DEFAULT_PARTITION__"


def partition_columns(path: str) -> dict[str, str | None]:
    """Return the columns in the names of the folders of a path, in order, with their values; None for Hive's null."""
    pairs = (folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder)
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in pairs if name}
