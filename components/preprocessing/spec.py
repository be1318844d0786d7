"""The vocabularies."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class VocabularySpec(Spec):
    inputs: int = Field(default=10_000, ge=1)
    """The most frequent input tokens get an id of their own: 0 is the most frequent."""
    labels: int = Field(default=25_000, ge=2)
    """The most frequent labels are the classes. A rarer label is dropped in training and counts as a miss after it."""
    oov_buckets: int = Field(default=1, ge=1)
    """Ids shared by all other input tokens, by hash."""
    min_count: int = Field(default=1, ge=1)
    """Tokens and labels seen less often in the train split are outside the vocabularies."""
    shared: bool = False
    """Count inputs and labels together: both get ids from one list of tokens."""
