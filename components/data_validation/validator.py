"""ExampleValidator component of BigVocab: it stops the run on anomalies, and compares splits with each other."""

from __future__ import annotations

import itertools
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator import component, executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, component_spec, standard_component_specs
from tfx.utils import json_utils

from components.compat.tfdv import tfdv
from components.compat.tfx.executors import OpenValidatorExecutor
from components.data_validation import chance
from components.data_validation.errors import AnomaliesFound, Anomaly

REFERENCE_SPLIT = "train"
SPANS_KEY = "spans"
_ALL_ROWS = "(all rows)"


class ExampleValidatorExecutor(OpenValidatorExecutor):
    """TFX's executor, which checks the statistics of each split against the schema, with four additions.

    - The skew comparators of the schema compare each split with the train split. TFX's executor ignores them, because
      it passes no second statistics.
    - The drift comparators compare the train split of a span with the train split of the previous span.
    - An anomaly fails the node. TFX's executor only records it.
    - The limits of features with the tag `chance.BY_ROWS` allow for the number of rows.
    """

    _reference: statistics_pb2.DatasetFeatureStatisticsList | None = None
    _before: statistics_pb2.DatasetFeatureStatisticsList | None = None

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """Validate the statistics.

        TFX removes the outputs of a failed node. The executor therefore copies the anomalies to
        `<uri of the artifact>-failed/`.

        Raises:
            AnomaliesFound: A split departs from the schema or from the train split, or a span departs from the previous
                span.
        """
        statistics = artifact_utils.get_single_instance(input_dict[standard_component_specs.STATISTICS_KEY])
        if REFERENCE_SPLIT in artifact_utils.decode_split_names(statistics.split_names):
            self._reference = stats_artifact_utils.load_statistics(statistics, REFERENCE_SPLIT).proto()
        if before := _before(statistics, input_dict.get(SPANS_KEY, [])):
            self._before = stats_artifact_utils.load_statistics(before, REFERENCE_SPLIT).proto()
        output = super().Do(input_dict, output_dict, exec_properties)

        anomalies = artifact_utils.get_single_instance(output_dict[standard_component_specs.ANOMALIES_KEY])
        found = [
            anomaly
            for split in artifact_utils.decode_split_names(anomalies.split_names)
            for anomaly in read_anomalies(anomalies.uri, split)
        ]
        if found:
            failed = anomalies.uri.rstrip("/") + "-failed"
            _copy(anomalies.uri, failed)
            raise AnomaliesFound(found, failed)
        return output

    def anomalies(
        self, statistics: statistics_pb2.DatasetFeatureStatisticsList, schema: schema_pb2.Schema, folder: str
    ) -> anomalies_pb2.Anomalies:
        """Return the anomalies of a split, including skew and drift, by limits that allow for its number of rows."""
        before = self._before if folder.rstrip("/").endswith(f"Split-{REFERENCE_SPLIT}") else None
        limits = chance.widened(schema, *map(_columns, (statistics, self._reference, before)))
        return tfdv.validate_statistics(
            statistics, limits, previous_statistics=before, serving_statistics=self._reference
        )


class ExampleValidatorSpec(component_spec.ComponentSpec):
    """TFX's spec with the statistics of all spans, and with a fingerprint of the code for the cache key."""

    PARAMETERS = {
        **standard_component_specs.ExampleValidatorSpec.PARAMETERS,
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        **standard_component_specs.ExampleValidatorSpec.INPUTS,
        SPANS_KEY: component_spec.ChannelParameter(type=types.standard_artifacts.ExampleStatistics, optional=True),
    }
    OUTPUTS = standard_component_specs.ExampleValidatorSpec.OUTPUTS


class ExampleValidator(component.ExampleValidator):
    """TFX's component with the executor above.

    Component `outputs` contains:
     - `anomalies`: Channel of type `standard_artifacts.ExampleAnomalies`.
    """

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExampleValidatorExecutor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        code: str,
        spans: types.BaseChannel | None = None,
    ) -> None:
        spec = ExampleValidatorSpec(
            statistics=statistics,
            spans=spans,
            schema=schema,
            exclude_splits=json_utils.dumps([]),
            code=code,
            anomalies=types.Channel(type=types.standard_artifacts.ExampleAnomalies),
        )
        super(component.ExampleValidator, self).__init__(spec=spec)


def example_validator(
    statistics: types.BaseChannel, schema: types.BaseChannel, code: str, spans: types.BaseChannel | None = None
) -> ExampleValidator:
    """Build the validation node of a pipeline.

    Args:
        statistics: Statistics of StatisticsGen, with a split `train`.
        schema: Schema to validate against.
        code: Fingerprint of the code of this package, for the cache key.
        spans: Statistics of all spans, oldest first, including those to validate.
    """
    return ExampleValidator(statistics, schema, code, spans)


def read_anomalies(uri: str, split: str) -> list[Anomaly]:
    """Read the anomalies of one split, sorted by column.

    Args:
        uri: URI of the anomalies artifact.
        split: Name of the split.
    """
    with fileio.open(f"{uri}/Split-{split}/{executor.DEFAULT_FILE_NAME}", "rb") as stream:
        anomalies = anomalies_pb2.Anomalies.FromString(stream.read())
    found = [
        Anomaly(split, name, _plain(reason.short_description, split), _plain(reason.description, split))
        for name, info in sorted(anomalies.anomaly_info.items())
        for reason in info.reason
    ]
    found += [
        Anomaly(split, _ALL_ROWS, reason.short_description, reason.description)
        for reason in anomalies.dataset_anomaly_info.reason
    ]
    if anomalies.data_missing:
        found.append(Anomaly(split, _ALL_ROWS, "No rows", "The split has no rows."))
    return found


def _plain(text: str, split: str) -> str:
    # TFDV uses the same words for all comparisons. This replaces them with the compared splits or spans.
    text = text.replace("between training and serving", f"between {split} and {REFERENCE_SPLIT}")
    return text.replace("between current and previous", "between this span and the one before")


def _columns(statistics: statistics_pb2.DatasetFeatureStatisticsList | None) -> chance.Columns:
    return chance.columns_of(statistics.datasets[0]) if statistics and statistics.datasets else {}


def _before(statistics: types.Artifact, spans: list[types.Artifact]) -> types.Artifact | None:
    """Return the statistics of the previous span, or None."""
    found = [before for before, span in itertools.pairwise(spans) if span.id == statistics.id]
    return found[0] if found else None


def _copy(source: str, target: str) -> None:
    for folder, _, names in fileio.walk(source):
        to = target + str(folder)[len(source) :]
        fileio.makedirs(to)
        for name in map(str, names):
            fileio.copy(f"{folder}/{name}", f"{to}/{name}", overwrite=True)
