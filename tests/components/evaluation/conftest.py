"""The fixtures of the baselines' tests: files of rows from the nodes before the Evaluator."""

from tests.components.baselines.conftest import write

__all__ = ["write"]
