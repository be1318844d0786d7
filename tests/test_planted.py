"""Tests that the search for planted secrets finds them in every form and file."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import zipfile
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.planted import ALL, found_in


@pytest.mark.parametrize("secret", ALL)
def test_a_secret_is_found_in_every_form_and_file(tmp_path: Path, secret: str) -> None:
    (tmp_path / "plain").write_text(f"log: {secret}.")
    (tmp_path / "url").write_text(f"http://h/?key={quote(secret, safe='')}")
    (tmp_path / "json").write_text(json.dumps({"key": secret}))
    (tmp_path / "utf-16").write_text(secret, encoding="utf-16")
    (tmp_path / "repr").write_text(repr({"key": secret}))
    for user in ("", "u:", "me:"):
        (tmp_path / f"base64-{len(user)}").write_bytes(base64.b64encode(f"{user}{secret} ".encode()))
    (tmp_path / "gz").write_bytes(gzip.compress(secret.encode()))
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", secret)
    pq.write_table(pa.table({"column": [secret]}), tmp_path / "parquet")
    with sqlite3.connect(tmp_path / "sqlite") as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (?)", [secret])
        database.commit()
        database.execute("DELETE FROM t")  # Its bytes stay in the file.
    found = found_in(tmp_path, {"standard error": secret})
    places = {line.partition(": ")[0] for line in found}
    assert places == {"standard error", *(str(path) for path in tmp_path.iterdir())}
    assert {str(path) for path in tmp_path.iterdir()} - {
        line.partition(": ")[0] for line in found_in(tmp_path, but=frozenset({tmp_path / "gz"}))
    } == {str(tmp_path / "gz")}


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 64)
    assert found_in(tmp_path, {"output": "planted"}) == []
