"""Nearest neighbors of some entries of the vocabularies, by the cosine of their vectors in the export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.preprocessing.vocabulary import read_vocabulary

_TABLES = {"inputs": "encoder/embedding/embeddings", "labels": "head/head/table"}
"""Variable of the export with the vector of each entry, by vocabulary."""
_RANKS = (10, 30, 100, 200, 400, 700, 1_000, 2_000, 4_000)
"""Ranks of the chosen entries: frequent ones, and some of the middle."""
NEAREST = 5


def neighbors(model: Any, folder: str) -> dict[str, list[dict[str, Any]]]:
    """Return the nearest neighbors of chosen entries in the table of the inputs and in the table of the classes.

    Args:
        model: Loaded SavedModel of the export.
        folder: Folder of the export.

    Returns:
        By vocabulary, `token` and its `nearest`, a list of `token` and `cosine`. An encoder without such a table, and a
        label that is a number, have no entry.
    """
    tables = {weight.name.partition(":")[0]: weight for weight in getattr(model, "weights", ())}
    found = {}
    for vocabulary, name in _TABLES.items():
        if name in tables:
            tokens = read_vocabulary(f"{folder}/assets/{vocabulary}").tokens
            # The rows of out-of-vocabulary tokens and of padding follow.
            vectors = tables[name].numpy()[: len(tokens)]
            found[vocabulary] = nearest(tokens, vectors)
    return found


def nearest(tokens: Sequence[str], vectors: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Return the nearest neighbors of the chosen entries by cosine.

    Args:
        tokens: Entries by id, most frequent first.
        vectors: (len(tokens), width) vectors.
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
