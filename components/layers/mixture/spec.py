"""Configuration of a mixture of the output layer with counts and a cache."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.spec import Spec

_CACHE = 200


class NgramMixtureSpec(Spec):
    """Mixture of the softmax with n-gram counts of the train split and a cache of the row, with a learned gate."""

    kind: Literal["ngrams"] = "ngrams"
    order: Literal[2, 3] | None = None
    """Tokens of the longest n-gram: 2 counts the label after its last token, 3 after its last two. None: 3 for shape
    `sequence`, 2 for shape `labelled`, which has no longer ones."""
    max_ngrams: int = Field(default=2_000_000, ge=1)
    """N-grams to keep of each length, the most frequent ones. The exported model holds 12 bytes for each, and 24 for
    each context."""
    cache: int | None = Field(default=None, ge=0)
    """Tokens of the row before a label that may come again with a learned probability. 0: none. None: 200 for shape
    `sequence`, none for shape `labelled`, whose labels are no tokens of the row."""

    pairs: int = Field(default=0, ge=0)
    """Tokens of the row before a label whose pairs with the label are counted, so that what occurs together in a row is
    foreseen, as in baskets. Of the pairs, too, the `max_ngrams` most frequent are kept. 0: none."""

    def longest(self, sequences: bool) -> int:
        """Return the number of tokens of the longest n-gram, in sequences or in labelled rows."""
        return self.order or (3 if sequences else 2)

    def cached(self, sequences: bool) -> int:
        """Return the number of tokens that the cache reads, in sequences or in labelled rows."""
        return (_CACHE if self.cache is None else self.cache) if sequences else 0


def _written_out(value: Any) -> Any:
    if isinstance(value, str):
        return None if value == "none" else {"kind": value}
    return value


Mixture = Annotated[
    NgramMixtureSpec | None,
    BeforeValidator(_written_out, json_schema_input_type=Literal["none", "ngrams"] | NgramMixtureSpec | None),
]
"""Mixture of a configuration; `ngrams` alone is short for `{kind: ngrams}`."""
