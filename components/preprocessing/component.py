"""Transform component of BigVocab."""

from __future__ import annotations

from tfx.dsl.components.base import executor_spec

from components.compat.tfx_v1 import v1 as tfx
from components.preprocessing.executor import TransformExecutor


class Transform(tfx.components.Transform):
    """TFX's Transform with an executor that reads, counts and writes data in batches."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)
