"""Configuration of the vocabularies."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class VocabularySpec(Spec):
    """Vocabularies of the input tokens and of the labels."""

    inputs: int = Field(default=10_000, ge=1)
    """Maximum size of the input vocabulary. The most frequent input tokens get their own ids; id 0 is the most frequent
    token. Not used if `shared`."""
    labels: int = Field(default=25_000, ge=2)
    """Maximum number of classes: the most frequent labels. Training drops rarer labels; evaluation counts them as
    misses."""
    num_oov_buckets: int = Field(default=1, ge=1)
    """Number of out-of-vocabulary ids. Every input token outside the vocabulary is hashed to one of them."""
    min_count: int = Field(default=1, ge=1)
    """Minimum number of occurrences in the train split. Rarer tokens and labels are left out of the vocabularies."""
    shared: bool = False
    """Use one vocabulary for inputs and labels, counted over both, of at most `labels` entries: a token has the same id
    as an input and as a class."""

    @property
    def input_size(self) -> int:
        """Maximum size of the input vocabulary."""
        return self.labels if self.shared else self.inputs
