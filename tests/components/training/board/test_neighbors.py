"""Tests of the nearest neighbors of the report."""

from __future__ import annotations

import numpy as np
import pytest

from components.training.board.neighbors import NEAREST, nearest, neighbors
from components.training.board.projector import Table


def test_the_nearest_vectors_have_the_greatest_cosine() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 3)).astype(np.float32)
    vectors[33] = 2 * vectors[10]
    found = nearest([f"t{n}" for n in range(40)], vectors)
    assert [of["token"] for of in found] == ["t10", "t30"]
    assert found[0]["nearest"][0] == {"token": "t33", "cosine": pytest.approx(1.0)}
    assert all(len(of["nearest"]) == NEAREST for of in found)
    assert all(other["token"] != of["token"] for of in found for other in of["nearest"])


def test_each_table_has_neighbors_among_the_entries_with_vectors() -> None:
    vectors = np.random.default_rng(1).normal(size=(12, 3)).astype(np.float32)
    tokens = [f"t{n}" for n in range(50)]
    found = neighbors(
        [Table(name, vectors, tokens, [1] * 50) for name in ("inputs", "labels")]
        + [Table("few", vectors[:5], tokens, [1] * 50)]
    )
    assert found == {name: nearest(tokens[:12], vectors) for name in ("inputs", "labels")}
    assert [of["token"] for of in found["inputs"]] == ["t10"]
