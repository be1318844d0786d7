"""The command, as the tests of the pipeline start it."""

from tests.pipeline.conftest import bigvocab

__all__ = ["bigvocab"]
