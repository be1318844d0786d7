"""StatisticsGen component of BigVocab."""

from __future__ import annotations

import math
from typing import Any

from absl import logging
from tfx import types
from tfx.components.statistics_gen import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, component_spec, standard_component_specs
from tfx.utils import io_utils, json_utils

from components.compat.tfx.executors import OpenStatisticsExecutor
from components.data_validation.spec import StatisticsSpec
from components.files import matching
from components.ingest.counts import read_counts, rows_of
from components.messages.counting import counted
from components.record_batches import ShardReader

MAX_ROWS = "max_rows"


class StatisticsGenExecutor(OpenStatisticsExecutor):
    """TFX's executor with a faster source, and with samples of large splits.

    A sample consists of the first rows of each file of the split. ExampleGen orders the rows of a file by hash, so the
    sample is random, and the same each time. The executor does not read the rows outside the sample.
    """

    _most: int
    _rates: dict[str, float]

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Compute the statistics of each split.

        The artifact's property `sample_rate_by_split`, which TFX defines, holds the share of each split that was read.
        """
        self._most, self._rates = exec_properties[MAX_ROWS], {}
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        with counted("StatisticsGen", lambda: rows_of(examples, most=self._most), "rows"):
            super().Do(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        statistics.set_json_value_custom_property(
            executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(self._rates)
        )

    def source(self, examples: types.Artifact, split: str) -> ShardReader:
        """Return a reader of the split, or of the first rows of each of its files if the split is large."""
        rows = read_counts(examples.uri)["rows"][split]
        pattern = io_utils.all_files_pattern(artifact_utils.get_split_uri([examples], split))
        self._rates[split] = min(1.0, self._most / max(1, rows))
        if rows <= self._most:
            return ShardReader([pattern])
        logging.info("The statistics of split %s are of a sample of about %d of its %d rows.", split, self._most, rows)
        return ShardReader([pattern], rows_per_file=math.ceil(self._most / len(matching([pattern]))))


class StatisticsGenSpec(component_spec.ComponentSpec):
    """TFX's spec with a sample size and a fingerprint of the code, which both belong to the cache key."""

    PARAMETERS = {
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        MAX_ROWS: component_spec.ExecutionParameter(type=int),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.StatisticsGenSpec.INPUTS
    OUTPUTS = standard_component_specs.StatisticsGenSpec.OUTPUTS


class StatisticsGen(component.StatisticsGen):
    """TFX's component with the executor above.

    Component `outputs` contains:
     - `statistics`: Channel of type `standard_artifacts.ExampleStatistics`.
    """

    SPEC_CLASS = StatisticsGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(StatisticsGenExecutor)

    def __init__(self, examples: types.BaseChannel, statistics: StatisticsSpec, code: str) -> None:
        """Initialize the component.

        Args:
            examples: Examples of ExampleGen.
            statistics: Settings that define the size of a sample.
            code: Fingerprint of the code of this package.
        """
        spec = StatisticsGenSpec(
            examples=examples,
            exclude_splits=json_utils.dumps([]),
            max_rows=statistics.max_rows,
            code=code,
            statistics=types.Channel(type=types.standard_artifacts.ExampleStatistics),
        )
        super(component.StatisticsGen, self).__init__(spec=spec)
