"""Tests of database queries, with SQLite and a PostgreSQL server."""

from __future__ import annotations

import datetime
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.ingest.errors import BrokenFile
from components.ingest.sources.base import Lines, Range
from components.ingest.sources.registry import KINDS
from components.ingest.sources.sql import PASSWORD
from components.ingest.spec import DataSpec
from components.ingest.values import text_of
from tests.components.ingest.conftest import Ingest
from tests.components.ingest.sources.helpers import source

sqlalchemy = pytest.importorskip("sqlalchemy", reason="the extra sql is not installed")
ROWS = [("i1 i2", "a", 1.5, "b1"), ("i3", None, None, "b2"), ("50% off", "c", 0.25, "b1")]
SELECT = "SELECT items, shop, price, bought FROM sales"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a SQLite database."""
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE sales (items TEXT, shop TEXT, price REAL, bought TEXT)")
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", ROWS)
    connection.close()
    return file


def rows(of: Any) -> list[dict[str, Any]]:
    found = list(of.read(Range(of.files(*of.place(Path()))[0]), ["items"], Lines()))
    assert [number for number, _ in found] == [*range(1, len(found) + 1)]
    return [row for _, row in found]


def sql(uri: str, query: str = SELECT, **keys: Any) -> Any:
    return source("sql", uri=uri, query=query, **keys)


def test_the_rows_of_a_query(shop: Path) -> None:
    of = sql(f"sqlite:///{shop}", f"{SELECT} WHERE items LIKE '%' AND bought != ':name';\n")
    assert rows(of) == [dict(zip(("items", "shop", "price", "bought"), row, strict=True)) for row in ROWS]
    assert of.columns("", []) == ["items", "shop", "price", "bought"]
    assert of.size([]) == 3 * 128
    assert of.missing() == []


def test_the_fingerprint_is_that_of_the_rows_in_any_order(shop: Path) -> None:
    uri = f"sqlite:///{shop}"
    prints = [sql(uri, f"{SELECT} ORDER BY price {order}").fingerprint([], "") for order in ("ASC", "DESC")]
    first, marked = sql(uri).fingerprint([], ""), sql(uri, fingerprint_query="SELECT max(price) FROM sales")
    mark = marked.fingerprint([], "")
    assert prints[0].startswith("rows:3,")
    assert len({*prints, first, mark}) == 4  # The query counts too.
    assert sql(uri).fingerprint([], "") == first
    with sqlite3.connect(shop) as connection:
        connection.execute("UPDATE sales SET shop = 'd' WHERE items = 'i3'")
    connection.close()
    assert sql(uri).fingerprint([], "") != first
    assert marked.fingerprint([], "") == mark


def test_a_database_and_its_rows_are_ingested(shop: Path, tmp_path: Path, ingest: Ingest) -> None:
    with sqlite3.connect(shop) as connection:
        more = [(f"i{n} i{n + 1}", "a", float(n), f"b{n % 7}") for n in range(500)]
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", more)
    connection.close()
    data = DataSpec.model_validate(
        {
            "shape": "labelled",
            "source": {"kind": "sql", "uri": f"sqlite:///{shop}", "query": SELECT},
            "inputs": ["items"],
            "label": "bought",
            "tokenizer": "whitespace",
            "features": {"price": {"kind": "number"}, "shop": {"kind": "category"}},
        }
    )
    found = ingest(data)
    assert found.counts()["read"] == 503
    assert {"items": ["50%", "off"], "bought": ["b1"], "price": [0.25], "shop": ["c"]} in found.all_rows()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT item FROM sales", "no such column: item"),
        ("SELEC items FROM sales", "syntax error"),
    ],
)
def test_a_fault_of_the_query_is_said(shop: Path, query: str, message: str) -> None:
    for call in (rows, lambda of: of.columns("", []), lambda of: of.fingerprint([], ""), lambda of: of.size([])):
        with pytest.raises(BrokenFile, match=rf"^sqlite:///.*shop\.db: cannot be read: .*{message}"):
            call(sql(f"sqlite:///{shop}", query))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    of = sql("sqlite:///shop.db")
    assert of.spec.relative_to(tmp_path).uri == f"sqlite:///{tmp_path}/shop.db"
    (fault,) = sql(f"sqlite:///{tmp_path}/no.db").missing()
    assert fault == f"data.source.uri: {tmp_path}/no.db is not there"
    with pytest.raises(BrokenFile, match="needs the package MySQLdb, the driver of the database"):
        rows(sql("mysql://h/db"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"uri": "postgresql://me:secret@h/db"}, f"remove the password, and set the environment variable {PASSWORD}"),
        ({"uri": "postgresql://me@h/db?password=secret"}, "remove the password"),
        ({"uri": "shop.db"}, "no URI"),
        ({"uri": "sqlite:///a.db", "path": "rows.csv"}, "source.path is not used with kind 'sql'"),
    ],
)
def test_keys_that_do_not_fit_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        KINDS.own["sql"].model_validate({"kind": "sql", "query": SELECT, **keys})


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Start a PostgreSQL server on a socket, and yield the URI of a user and the password."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if not initdb:
        pytest.skip("no PostgreSQL server here (Debian: apt-get install postgresql)")
    # The server refuses to run as root.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    # A letter comes first, because the server has another message for digits alone.
    folder, password = tmp_path_factory.mktemp("postgresql"), f"p{secrets.token_hex(8)}"
    file = folder / "password"
    file.write_text(password)
    if user:
        for each in (*folder.parents[:3], folder):  # pytest's folders are those of one user.
            each.chmod(0o755)
        shutil.chown(folder, "postgres")
        shutil.chown(file, "postgres")
    data, control = folder / "data", str(Path(initdb).with_name("pg_ctl"))
    command = [initdb, "-D", str(data), "-A", "scram-sha-256", "-U", "reader", f"--pwfile={file}", "-N"]
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, **user}
    subprocess.run(command, **quiet)
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    subprocess.run([control, "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"], **quiet)
    try:
        yield f"postgresql://reader@/postgres?host={folder}", password
    finally:
        subprocess.run([control, "-D", str(data), "-m", "immediate", "stop"], **quiet)


def test_rows_of_a_postgresql_server(postgresql: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    uri, password = postgresql
    monkeypatch.setenv(PASSWORD, password)
    url = sqlalchemy.make_url(uri).set(drivername="postgresql+psycopg", password=password)
    with sqlalchemy.create_engine(url).begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE events (id bigint, day date, items text[], price numeric(20, 2), paid boolean, note jsonb)"
        )
        connection.exec_driver_sql("CREATE SEQUENCE numbers")
        connection.exec_driver_sql(
            "INSERT INTO events SELECT 9007199254740993 + n, DATE '2024-02-01' + n, ARRAY['i' || n, 'x'], n + 0.50, "
            "mod(n, 2) = 0, jsonb_build_object('os', 'x' || n) FROM generate_series(0, 24999) AS n"
        )
    of = sql(uri, "WITH late AS (SELECT * FROM events WHERE id % 5 = 3) SELECT * FROM late ORDER BY id")
    found = rows(of)
    assert len(found) == 5_000
    assert found[0] == {
        "id": 9007199254740993,
        "day": datetime.date(2024, 2, 1),
        "items": ["i0", "x"],
        "price": Decimal("0.50"),
        "paid": True,
        "note": {"os": "x0"},
    }
    assert [text_of(name, found[0][name]) for name in ("id", "day", "price", "paid")] == [
        "9007199254740993", "2024-02-01", "0.5", "true",
    ]  # fmt: skip
    assert of.columns("", []) == ["id", "day", "items", "price", "paid", "note"]
    assert of.size([]) == 5_000 * 128
    assert of.fingerprint([], "").startswith("rows:5000,")
    with pytest.raises(BrokenFile, match="read-only transaction"):
        rows(sql(uri, "SELECT nextval('numbers')"))


def test_the_password_is_in_no_message(postgresql: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    uri, password = postgresql
    monkeypatch.setenv(PASSWORD, f"wrong{password}")
    with pytest.raises(BrokenFile, match="password authentication failed") as found:
        rows(sql(uri, "SELECT 1"))
    assert password not in str(found.value)
    monkeypatch.delenv(PASSWORD)
    monkeypatch.setenv("PGPASSWORD", password)  # The driver's own way.
    assert rows(sql(uri, "SELECT 1 AS one")) == [{"one": 1}]
    monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(BrokenFile, match=r"invalid input syntax for type integer: \"\*\*\*\""):
        rows(sql(uri, f"SELECT CAST('{password}' AS integer)"))
