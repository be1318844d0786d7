"""TFX component of the Baselines node, which measures counting models on the test split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.baselines.executor import BaselinesExecutor
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec


class BaselineMetrics(types.Artifact):
    """Folder with `baselines.json`: metrics of the counting baselines over the test split."""

    TYPE_NAME = "BaselineMetrics"


class BaselinesSpec(component_spec.ComponentSpec):
    """Interface of the node."""

    PARAMETERS = {
        "data": component_spec.ExecutionParameter(type=str),
        "bands": component_spec.ExecutionParameter(type=str),
        "metrics": component_spec.ExecutionParameter(type=str),
        "mixture": component_spec.ExecutionParameter(type=str),
        "exclude_seen": component_spec.ExecutionParameter(type=int),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        "choices": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
    }
    OUTPUTS = {
        "baselines": component_spec.ChannelParameter(type=BaselineMetrics),
        # Not `examples`: TFX requires different names for inputs and outputs.
        "test_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }


class Baselines(base_component.BaseComponent):
    """Node that counts the baselines on the train split and measures them on the test split.

    Outputs:
        baselines: `baselines.json`.
        test_examples: The test split. Each row gets a float feature for each baseline of the label and of each further
            target, named by `Target.feature`. The feature holds the baseline's sums over the row's labels, in the
            order of `Target.stored_names`; squares are stored as their roots. The Evaluator reads these features, so
            that it slices the baselines like the model. The feature `ROW_NUMBER` holds the number of the row, from 0.
    """

    SPEC_CLASS = BaselinesSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(BaselinesExecutor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transform_graph: types.BaseChannel,
        choices: types.BaseChannel,
        data: DataSpec,
        bands: BandSpec,
        code: str = "",
        metrics: Sequence[str] = (),
        mixture: Mapping[str, Any] | None = None,
        exclude_seen: bool = False,
    ) -> None:
        """Create the node.

        Args:
            examples: Artifacts of ExampleGen, with the splits train and test.
            transform_graph: Artifact of Transform, with the vocabularies.
            choices: Values of unset keys, such as the mixture of the model.
            data: Columns, targets and shape of the data.
            bands: Bands of labels.
            code: Fingerprint of the code. Changed code misses the cache.
            metrics: Paths of a user's own metrics.
            mixture: Key `mixture` under `trainer.head`, if the configuration sets it, and `loss` if rows may have
                several labels. The baselines keep the same n-grams as the mixture, or all n-grams without a mixture.
            exclude_seen: True to remove items that the row already contains from the ranking.
        """
        super().__init__(
            BaselinesSpec(
                examples=examples,
                transform_graph=transform_graph,
                choices=choices,
                data=data.model_dump_json(),
                bands=bands.model_dump_json(),
                metrics=json.dumps([*metrics]),
                mixture=json.dumps(mixture or {}),
                exclude_seen=int(exclude_seen),
                code=code,
                baselines=types.Channel(type=BaselineMetrics),
                test_examples=types.Channel(type=standard_artifacts.Examples),
            )
        )
