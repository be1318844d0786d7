"""The StatisticsGen of BigVocab."""

from __future__ import annotations

import json
import math
from typing import Any
from unittest import mock

from absl import logging
from tfx import types
from tfx.components.statistics_gen import component, executor
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, component_spec, standard_component_specs
from tfx.utils import io_utils, json_utils

from components.data_validation.spec import StatisticsSpec
from components.files import matching
from components.ingest.counts import COUNTS_FILE
from components.record_batches import ShardReader

MAX_ROWS = "max_rows"


class Executor(executor.Executor):
    """TFX's own executor, with a faster way in, and samples of large splits.

    A sample is the first rows of each file of the split. ExampleGen orders the rows of a file by their hashes, so they
    are drawn at random, and the same rows each time; and what is not in the sample is not read.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Counts the statistics of each split.

        The artefact's property `sample_rate_by_split`, which TFX knows, says what share of each split they are of.
        """
        most = exec_properties[MAX_ROWS]
        rates: dict[str, float] = {}

        def reader(examples: list[types.Artifact], split: str, **_: Any) -> ShardReader:
            (artifact,) = examples
            with fileio.open(f"{artifact.uri}/{COUNTS_FILE}") as stream:
                rows = json.loads(stream.read())["rows"][split]
            pattern = io_utils.all_files_pattern(artifact_utils.get_split_uri(examples, split))
            rates[split] = min(1.0, most / max(1, rows))
            if rows <= most:
                return ShardReader([pattern])
            logging.info("The statistics of split %s are of a sample of about %d of its %d rows.", split, most, rows)
            return ShardReader([pattern], rows_per_file=math.ceil(most / len(matching([pattern]))))

        with mock.patch.object(tfxio_utils, "get_split_tfxio", reader):
            super().Do(input_dict, output_dict, exec_properties)
        statistics = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        statistics.set_json_value_custom_property(executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(rates))


class StatisticsGenSpec(component_spec.ComponentSpec):
    """TFX's spec with the size of a sample, and with the code's fingerprint, which makes it a part of the cache key."""

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
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(self, examples: types.BaseChannel, statistics: StatisticsSpec, code: str) -> None:
        """Makes the node.

        Args:
            examples: ExampleGen's.
            statistics: when they are of a sample.
            code: a fingerprint of the code of this package.
        """
        spec = StatisticsGenSpec(
            examples=examples,
            exclude_splits=json_utils.dumps([]),
            max_rows=statistics.max_rows,
            code=code,
            statistics=types.Channel(type=types.standard_artifacts.ExampleStatistics),
        )
        super(component.StatisticsGen, self).__init__(spec=spec)
