"""Configuration of the mixture of the output layer with counts, a cache and pairs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.spec import Spec

_CACHE = 200


class NgramMixtureSpec(Spec):
    """Mixture of the softmax with n-gram counts of the train split and estimates from the row, with a learned gate."""

    kind: Literal["ngrams"] = "ngrams"
    order: Literal[2, 3] | None = None
    """Number of tokens of the longest n-gram, the label included: 2 for the label and the token before it, 3 for the
    label and the two tokens before it. None: 3 for shape `sequence`, 2 for shape `labelled`, which allows only 2."""
    max_ngrams: int = Field(default=2_000_000, ge=1)
    """Number of most frequent n-grams to keep of each length. The exported model needs 12 bytes per n-gram, and 24
    bytes per context."""
    cache: int | None = Field(default=None, ge=0)
    """Number of tokens of the row before a label that the cache reads. The cache estimates the probability that one of
    these tokens occurs again. 0: no cache. None: 200 for shape `sequence`, and no cache for shape `labelled`, whose
    labels are not tokens of the row."""

    pairs: int = Field(default=0, ge=0)
    """Number of tokens of the row before a label whose pairs with the label are counted. Use it for rows such as
    baskets, in which co-occurrence predicts the label. The `max_ngrams` most frequent pairs are kept. 0: no pairs."""

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
"""Type of a mixture in a configuration. `ngrams` is short for `{kind: ngrams}`."""
