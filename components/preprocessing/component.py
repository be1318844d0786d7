"""Transform component of BigVocab."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.dsl.components.base import executor_spec
from tfx.types import standard_artifacts

from components.compat.tfx.inputs import add_input
from components.compat.tfx.v1 import v1 as tfx
from components.preprocessing.executor import CHOICES, TransformExecutor


class Transform(tfx.components.Transform):
    """TFX's Transform with an executor that reads, counts and writes data in batches.

    It has one more input, `choices`, of the node Defaults.
    """

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)

    def __init__(self, *, choices: types.BaseChannel, **arguments: Any) -> None:
        """Create the node.

        Args:
            choices: Values of unset keys of the vocabulary.
            arguments: Arguments of TFX's Transform.
        """
        super().__init__(**arguments)
        add_input(self, CHOICES, standard_artifacts.HyperParameters, choices)
