"""The fixtures of the pipeline's tests that start the command line."""

from tests.pipeline.conftest import bigvocab

__all__ = ["bigvocab"]
