"""Nearest neighbors of some entries of the vocabularies, by the cosine of their vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.training.board.projector import Table

_RANKS = (10, 30, 100, 200, 400, 700, 1_000, 2_000, 4_000)
"""Ranks of the chosen entries: frequent ones, and some of the middle."""
NEAREST = 5


def neighbors(tables: Iterable[Table]) -> dict[str, list[dict[str, Any]]]:
    """Return the nearest neighbors of chosen entries in each table, by the name of the table. See `nearest`.

    A table with too few entries is left out.
    """
    found = {table.name: nearest(table.tokens[: len(table.vectors)], table.vectors) for table in tables}
    return {name: entries for name, entries in found.items() if entries}


def nearest(tokens: Sequence[str], vectors: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return the nearest neighbors of the chosen entries by cosine.

    Args:
        tokens: Entries by id, most frequent first.
        vectors: (len(tokens), width) vectors.

    Returns:
        `token` and its `nearest`, a list of `token` and `cosine`.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    found = []
    for chosen in (rank for rank in _RANKS if rank < len(tokens)):
        cosines = unit @ unit[chosen]
        cosines[chosen] = -np.inf
        order = np.argsort(-cosines, kind="stable")[:NEAREST]
        found.append(
            {
                "token": tokens[chosen],
                "nearest": [{"token": tokens[n], "cosine": round(float(cosines[n]), 4)} for n in order],
            }
        )
    return found
