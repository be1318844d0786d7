"""The fixtures of the baselines' tests: rows in files, as nodes before the Evaluator write them."""

from tests.components.baselines.conftest import write

__all__ = ["write"]
