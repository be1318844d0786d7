"""Tests of the files for the projector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.training.board.projector import ROWS, Table, write_projector
from tests.drawing import drawn

FLOATS = st.floats(-1e3, 1e3, width=32)


@drawn()
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=20))
def test_vectors_are_read_as_numbers_whatever_their_bytes(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    folder = tmp_path_factory.mktemp("projector")
    vectors = np.array(rows, np.float32)
    write_projector(str(folder), [Table("inputs", vectors, ["a"] * len(rows), [1] * len(rows))])
    data = (folder / "inputs.bytes").read_bytes()
    # TensorBoard reads the first line as text, and the file as numbers only if this fails.
    with pytest.raises(UnicodeDecodeError):
        data.split(b"\n")[0].decode()
    np.testing.assert_allclose(np.frombuffer(data, "<f4").reshape(vectors.shape), vectors, rtol=2e-5, atol=1e-42)


def test_a_token_with_any_text_has_one_line(tmp_path: Path) -> None:
    tokens = ["plain", "two\nlines\r\u2028", "a\tb", "", "<b>"]
    columns = {"kind of\titem": ["x", "", "y\n", "z", "z"]}
    write_projector(str(tmp_path), [Table("labels", np.ones([5, 2], np.float32), tokens, [5, 4, 3, 2, 1], columns)])
    lines = (tmp_path / "labels.tsv").read_text(encoding="utf-8").split("\n")
    assert lines[0].split("\t") == ["token", "count", "kind of\\titem"]
    assert [line.split("\t")[1] for line in lines[1:-1]] == ["5", "4", "3", "2", "1"]
    assert {len(line.split("\t")) for line in lines[:-1]} == {3}
    assert lines[2].split("\t") == [r"two\nlines\r\u2028", "4", '""']


def test_only_the_most_frequent_rows_are_written(tmp_path: Path) -> None:
    many = ROWS + 7
    table = Table("inputs", np.ones([many, 1], np.float32), list(map(str, range(many))), range(many, 0, -1))
    write_projector(str(tmp_path), [table])
    assert (tmp_path / "inputs.bytes").stat().st_size == 4 * ROWS
    lines = (tmp_path / "inputs.tsv").read_text().splitlines()
    assert len(lines) == 1 + ROWS
    assert lines[-1].startswith(f"{ROWS - 1}\t")
    assert f"tensor_shape: {ROWS}" in (tmp_path / "projector_config.pbtxt").read_text()
