"""Drivers of TFX, which run before the cache lookup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen import driver as example_gen
from tfx.components.example_gen import utils
from tfx.dsl.components.base import base_driver as compile_time
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import Artifact, standard_component_specs


class CacheKeyDriver(compile_time.BaseDriver, portable.BaseDriver):
    """Driver that adds properties to an execution, which are then included in its cache key.

    Reason: TFX's cache key covers the properties of a node, not the state of other files. Only a driver can add to it.
        The compiler and the launcher require different base classes, and neither class is public.
    Versions: TFX 1.21.
    Remove when: TFX has a public driver, or a public hook for the cache key.

    Attributes:
        inputs: Input artifacts of the execution by key, for `added`.
    """

    inputs: Mapping[str, Sequence[Artifact]] = {}

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        compile_time.BaseDriver.__init__(self, metadata_handle)
        portable.BaseDriver.__init__(self, metadata_handle)

    def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
        """Return the properties to add.

        Args:
            properties: Properties of the execution.
        """
        raise NotImplementedError

    def known(self, kind: type[Artifact]) -> list[Any]:
        """Return all artifacts of a type in the metadata store, as messages."""
        with self._mlmd_connection as handle:
            return handle.store.get_artifacts_by_type(str(kind.TYPE_NAME))

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Return the properties from `added`, which TFX adds to the execution."""
        self.inputs = execution_info.input_dict
        output = driver_output_pb2.DriverOutput()
        for name, value in self.added(execution_info.exec_properties).items():
            if isinstance(value, int):
                output.exec_properties[name].int_value = value
            else:
                output.exec_properties[name].string_value = value
        return output


class OpenFilesDriver(example_gen.FileBasedDriver):
    """ExampleGen's driver of files, with a hook that describes the examples before they are published.

    Reason: Only a driver knows the span before the executor runs. It takes and returns private messages of TFX's
        orchestration.
    Versions: TFX 1.21.
    Remove when: TFX has a public driver, or a public hook for the properties of the examples.
    """

    def describe(self, examples: metadata_store_pb2.Artifact) -> None:
        """Set properties of the examples. TFX has already set their span, version and fingerprint."""
        raise NotImplementedError

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Resolve the files and the span as TFX does, then call `describe` on each Examples artifact."""
        output = super().run(execution_info)
        for examples in output.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts:
            self.describe(examples)
        return output


def files_of_spans(folder: str, pattern: str) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each file of a span: its path, the span number, and the digits of this number in the path.

    Files without a number in the place of a span are skipped.

    Reason: TFX's public functions find only the newest span. The functions with which its driver reads a pattern are
        private.
    Versions: TFX 1.21.
    Remove when: TFX has a public function that lists the spans of a pattern.

    Args:
        folder: Folder that the pattern is relative to.
        pattern: Pattern of the files, with `{SPAN}`, or `{YYYY}`, `{MM}` and `{DD}`.
    """
    split = example_gen_pb2.Input.Split(name="all", pattern=pattern)
    kinds = utils.verify_split_pattern_specs(split)
    glob, regex = utils._create_matching_glob_and_regex(folder, split, *kinds, None)
    for file in sorted(map(str, fileio.glob(glob))):
        try:
            digits, span, *_ = utils._find_matched_span_version_from_path(file, regex, *kinds)
        except ValueError:
            continue
        if digits is not None and span is not None:
            yield file, span, digits
