"""Workload that prepares labeled rows with Polars, which users would otherwise use on one machine."""

# Polars is installed for benchmarks only.
# pyright: reportMissingImports=false

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.harness.timing import Spent, Stopwatch

_INPUTS, _LABELS, _CATEGORIES = 10_000, 25_000, 1_000


class PolarsRows:
    """Workload that does to `rows.csv` what ExampleGen, StatisticsGen and Transform do for training.

    It reads the rows, counts both vocabularies and the categories, maps all of them to ids, standardizes the number,
    and writes the result. It splits no rows, checks none, and computes no further statistics.

    Args:
        folder: Folder of the file.
        threads: Size of the libraries' own thread pools. Unused here, since the environment variables set the size.
    """

    def __init__(self, folder: str, threads: int) -> None:
        self._folder = Path(folder)

    def prepare(self) -> None:
        """Do nothing: the first call is measured."""

    def turn(self, steps: int) -> Spent:
        """Prepare the rows once."""
        watch = Stopwatch()
        rows = pl.read_csv(self._folder / "rows.csv").with_columns(pl.col("items").str.split(" "))
        inputs = _most_frequent(rows["items"].explode(), _INPUTS)
        labels, shops = _most_frequent(rows["label"], _LABELS), _most_frequent(rows["shop"], _CATEGORIES)
        price = pl.col("price")
        rows.select(
            pl.col("items").list.eval(_ids(pl.element(), inputs)),
            _ids(pl.col("label"), labels),
            _ids(pl.col("shop"), shops),
            (price - price.mean()) / price.std(),
        ).write_parquet(self._folder / "rows.parquet")
        return watch.spent(steps)


def _most_frequent(values: pl.Series, size: int) -> pl.Enum:
    name = values.name
    counts = values.to_frame().group_by(name).len().sort(["len", name], descending=[True, False])
    return pl.Enum(counts[name].head(size))


def _ids(values: pl.Expr, vocabulary: pl.Enum) -> pl.Expr:
    """Return the places of values in a vocabulary, null for others."""
    return values.cast(vocabulary, strict=False).to_physical()
