"""Executors of TFX, with hooks for the steps that BigVocab replaces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import apache_beam as beam
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx import types
from tfx.components.example_validator import executor as validator
from tfx.components.example_validator import labels
from tfx.components.pusher import executor as pusher
from tfx.components.statistics_gen import executor as statistics_gen
from tfx.components.transform import executor as transform
from tfx.components.util import tfxio_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_component_specs
from tfx.utils import writer_utils
from tfx_bsl.public.tfxio import TFXIO

Artifacts = dict[str, list[types.Artifact]]


@contextlib.contextmanager
def _swapped(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module, and restore it at the end of the context."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


class OpenBeamExecutor(base_beam_executor.BaseBeamExecutor):
    """TFX's executor of components that run on Beam, with public names for its pipeline and its arguments.

    Reason: An executor has its Beam pipeline, and the arguments that name the runner, only under private names.
    Versions: TFX 1.21.
    Remove when: Both names are public.
    """

    @property
    def beam_args(self) -> list[str]:
        """Arguments of the Beam pipeline, such as `--runner=FnApiRunner`."""
        return [str(argument) for argument in self._beam_pipeline_args]

    def beam_pipeline(self) -> beam.Pipeline:
        """Return a new Beam pipeline; it runs at the end of a `with` block."""
        return self._make_beam_pipeline()


class OpenTransformProcessor(transform.TransformProcessor):
    """TFX's processor, with hooks that read and write rows.

    Reason: TFX reads and writes rows one by one in Python, and both steps are private methods.
    Versions: TFX 1.21.
    Remove when: TFX reads and writes batches, or has public hooks for both steps.
    """

    def source(self, pattern: str, schema: schema_pb2.Schema) -> TFXIO:
        """Return the source of the files that match a pattern."""
        raise NotImplementedError

    def sink(self, schema: schema_pb2.Schema, path: str) -> beam.PTransform:
        """Return a transform that writes pairs of a record batch and its pass-through features.

        Args:
            schema: Schema of the batches.
            path: Prefix of the file names.
        """
        raise NotImplementedError

    def _CreateTFXIO(self, dataset: Any, schema: schema_pb2.Schema) -> TFXIO:
        return self.source(dataset.file_pattern, schema)

    def _EncodeAndWrite(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, schema: schema_pb2.Schema, file_format: str, output_path: str
    ) -> beam.PTransform:
        return self.sink(schema, output_path)


class OpenTransformExecutor(transform.Executor):
    """TFX's executor of Transform, with another class of processor.

    Reason: The executor creates its processor by a name in its own module, and accepts no other processor.
    Versions: TFX 1.21.
    Remove when: The executor accepts a processor, or has a public hook that creates it.

    Attributes:
        PROCESSOR: Class of the processor.
    """

    PROCESSOR: ClassVar[type[OpenTransformProcessor]]

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run TFX's Transform with `PROCESSOR` in place of its own processor."""
        with _swapped(transform, "TransformProcessor", self.PROCESSOR):
            super().Do(input_dict, output_dict, exec_properties)


class OpenStatisticsExecutor(statistics_gen.Executor):
    """TFX's executor of StatisticsGen, with a hook for the source of a split.

    Reason: The executor reads all rows of a split, one by one in Python, with a function of another module.
    Versions: TFX 1.21.
    Remove when: The executor has a public hook for the source.
    """

    def source(self, examples: types.Artifact, split: str) -> TFXIO:
        """Return the source of the rows of a split."""
        raise NotImplementedError

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        """Run TFX's StatisticsGen with the rows of each split from `source`."""

        def get_split_tfxio(examples: list[types.Artifact], split: str, **_: Any) -> TFXIO:
            (artifact,) = examples
            return self.source(artifact, split)

        with _swapped(tfxio_utils, "get_split_tfxio", get_split_tfxio):
            super().Do(input_dict, output_dict, exec_properties)


class OpenValidatorExecutor(validator.Executor):
    """TFX's executor of ExampleValidator, with a hook for the comparison of a split.

    Reason: The executor compares statistics only with the schema, not with other statistics, in a private method.
    Versions: TFX 1.21.
    Remove when: The executor accepts other statistics, or has a public hook for the comparison.
    """

    def anomalies(
        self, statistics: statistics_pb2.DatasetFeatureStatisticsList, schema: schema_pb2.Schema, folder: str
    ) -> anomalies_pb2.Anomalies:
        """Return the anomalies of a split.

        Args:
            statistics: Statistics of the split.
            schema: Schema of the data.
            folder: Folder for the split's anomalies. Its name ends with the name of the split.
        """
        raise NotImplementedError

    def _Validate(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> anomalies_pb2.Anomalies:
        folder = outputs[labels.SCHEMA_DIFF_PATH]
        statistics = inputs[standard_component_specs.STATISTICS_KEY]
        found = self.anomalies(statistics, inputs[standard_component_specs.SCHEMA_KEY], folder)
        writer_utils.write_anomalies(f"{folder}/{validator.DEFAULT_FILE_NAME}", found)
        return found


class OpenPusherExecutor(pusher.Executor):
    """TFX's executor of the Pusher, with public names for the marks of a pushed model.

    Reason: TFX's Pusher pushes without a blessing, and writes into the folder that a model server watches. The methods
        that mark a model as pushed are private, and other components of TFX read the marks.
    Versions: TFX 1.21.
    Remove when: The methods are public.
    """

    def mark_pushed(self, model: types.Artifact, destination: str, version: str) -> None:
        """Mark the artifact of a pushed model."""
        self._MarkPushed(model, pushed_destination=destination, pushed_version=version)

    def mark_not_pushed(self, model: types.Artifact) -> None:
        """Mark the artifact of a model that was not pushed."""
        self._MarkNotPushed(model)


def mark_infra_blessing(blessing: types.Artifact, is_blessed: bool) -> None:
    """Mark the artifact of an InfraValidator as blessed or not blessed, with the file and the property of TFX.

    Reason: The Pusher and other components of TFX read the mark. The functions that write it are private.
    Versions: TFX 1.21.
    Remove when: TFX has a public function that writes the mark.

    Args:
        blessing: Artifact of type InfraBlessing.
        is_blessed: True if the model can be served.
    """
    from tfx.components.infra_validator import executor as infra_validator  # Imports Kubernetes.

    mark = infra_validator._mark_blessed if is_blessed else infra_validator._mark_not_blessed
    mark(blessing)
