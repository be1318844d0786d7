"""Evaluator component of BigVocab."""

from __future__ import annotations

from tfx.dsl.components.base import executor_spec

from components.compat.tfx.v1 import v1 as tfx
from components.evaluation.executor import EvaluatorExecutor


class Evaluator(tfx.components.Evaluator):
    """Evaluator of TFX with an executor that also writes the sums of each row, and the margins over the baselines."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(EvaluatorExecutor)
