"""The combinations of encoder and head that `bigvocab bench quality` compares, and the data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATA = {"speeches": "shared_projection", "products": "next_product"}
"""Presets whose data are used, by the names of the data sets."""


@dataclass(frozen=True)
class Combination:
    """Combination of encoder and head.

    Attributes:
        trainer: Fields that differ from the default `TrainerSpec`.
        shared: Value of `vocabulary.shared`. True gives the inputs all tokens that are classes; tied vectors need it.
        data: Names of the data sets to train it on.
    """

    trainer: Mapping[str, Any]
    shared: bool = False
    data: tuple[str, ...] = tuple(DATA)


_NEGATIVES = {"negatives": 2_048}
_COSINE = {**_NEGATIVES, "similarity": "cosine"}
_MIXTURE = {"mixture": "ngrams"}
_PAIRS = {"kind": "ngrams", "cache": 50, "pairs": 10}
_PROJECTION = {"hidden": 192, "dropout": 0.25}
_SESSION = {"kind": "session"}
_LOW_RATE = {"learning_rate": 2e-3}
_LSTM = {
    "kind": "recurrent",
    "context": 128,
    "embedding": 200,
    "projection": 200,
    "cell": "lstm",
    "units": 200,
    "dropout": 0.3,
}
_TRANSFORMER = {"kind": "transformer", "dropout": 0.3}
_ROWS = {"batch": 4_096}

COMBINATIONS: dict[str, Combination] = {
    "shared projection": Combination({"model": _PROJECTION, "head": _NEGATIVES}),
    "shared projection + mixture": Combination({"model": _PROJECTION, "head": {**_NEGATIVES, **_MIXTURE}}),
    "shared projection + pairs": Combination(
        {"model": _PROJECTION, "head": {**_NEGATIVES, "mixture": _PAIRS}},
        data=("products",),
    ),
    "shared projection + cosine": Combination({"model": _PROJECTION, "head": _COSINE}),
    # Without `hidden`: tied class vectors are as wide as token vectors.
    "shared projection + tied": Combination({"model": {"tie": True, "dropout": 0.25}, "head": _NEGATIVES}, shared=True),
    "session + tied": Combination(
        {"model": {**_SESSION, "tie": True}, "head": _NEGATIVES, **_LOW_RATE}, shared=True, data=("products",)
    ),
    "session + tied cosine": Combination(
        {"model": {**_SESSION, "tie": True}, "head": _COSINE, **_LOW_RATE}, shared=True
    ),
    "session + tied cosine + mixture": Combination(
        {"model": {**_SESSION, "tie": True}, "head": {**_COSINE, **_MIXTURE}, **_LOW_RATE}, shared=True
    ),
    "lstm": Combination({"model": _LSTM, "head": _NEGATIVES, **_ROWS}, shared=True),
    "lstm + tied": Combination({"model": {**_LSTM, "tie": True}, "head": _NEGATIVES, **_ROWS}, shared=True),
    "lstm + tied + pairs": Combination(
        {"model": {**_LSTM, "tie": True}, "head": {**_NEGATIVES, "mixture": _PAIRS}, **_ROWS},
        shared=True,
        data=("products",),
    ),
    "transformer": Combination({"model": _TRANSFORMER, "head": _NEGATIVES, **_ROWS, **_LOW_RATE}, shared=True),
}
"""Combinations by name. A name has no comma, which separates the names of `--only`."""
