"""Driver of ExampleGen: finds the files of a source, and notices when they have changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfx.components.example_gen import driver, input_processor, utils
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs

from components.ingest.properties import unpack
from components.ingest.sources.base import Source
from components.ingest.sources.registry import source_of

SPAN_NAME = "span_name"
"""Property of the examples of a span: its name for people."""


class InputProcessor(input_processor.FileBasedInputProcessor):
    """TFX's own input processor, spans and versions included, with the files and the fingerprint of a source.

    TFX's fingerprint is over sizes and seconds of change, of files one folder deep.
    """

    def __init__(
        self,
        source: Source[Any],
        input_base: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None,
    ) -> None:
        super().__init__(source.folder(input_base), splits, range_config)
        self._source = source
        self._base = input_base

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Override TFX's fingerprint.

        Raises:
            IngestError: The source has no files.
        """
        patterns = [self.get_pattern_for_span_version(split.pattern, span, version) for split in self._splits]
        files = [file for pattern in patterns for file in self._source.files(self._base, pattern)]
        return self._source.fingerprint(files, self._base)


class Driver(driver.FileBasedDriver):
    """Driver that resolves spans and fingerprints the files before the cache is asked."""

    _source: Source[Any]

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        output = super().run(execution_info)
        if self._source.has_spans:
            span = output.exec_properties[utils.SPAN_PROPERTY_NAME].int_value
            [examples] = output.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts
            examples.custom_properties[SPAN_NAME].string_value = self._source.span_name(span)
        return output

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        self._source = source_of(unpack(exec_properties).source)
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> InputProcessor:
        assert input_base_uri
        return InputProcessor(self._source, input_base_uri, splits, range_config)
