"""Configuration of a mixture of the output layer with counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.spec import Spec


class NgramMixtureSpec(Spec):
    """Mixture of the softmax with n-gram counts of the train split, with a learned gate."""

    kind: Literal["ngrams"] = "ngrams"
    order: Literal[2, 3] | None = None
    """Tokens of the longest n-gram: 2 counts the label after its last token, 3 after its last two. None: 3 for shape
    `sequence`, 2 for shape `labelled`, which has no longer ones."""
    max_ngrams: int = Field(default=2_000_000, ge=1)
    """N-grams to keep of each length, the most frequent ones. The exported model holds 12 bytes for each, and 24 for
    each context."""


def _written_out(value: Any) -> Any:
    if isinstance(value, str):
        return None if value == "none" else {"kind": value}
    return value


Mixture = Annotated[
    NgramMixtureSpec | None,
    BeforeValidator(_written_out, json_schema_input_type=Literal["none", "ngrams"] | NgramMixtureSpec | None),
]
"""Mixture of a configuration; `ngrams` alone is short for `{kind: ngrams}`."""
