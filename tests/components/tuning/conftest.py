"""The transformed sentences of the tests of training."""

from __future__ import annotations

from tests.components.training.conftest import Corpus, sequence

__all__ = ["Corpus", "sequence"]
