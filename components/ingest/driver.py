"""The driver: knows when the files of a source have changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfx.components.example_gen import driver, input_processor, utils
from tfx.orchestration.portable import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs

from components.ingest.files import SOTU_BASE, SOTU_METADATA, fingerprint, list_files, resolved
from components.ingest.properties import unpack
from components.ingest.spans import has_spans, name_of
from components.ingest.spec import SourceKind

SPAN_NAME = "span_name"
"""Property of the examples of a span: what people call it."""


class InputProcessor(input_processor.FileBasedInputProcessor):
    """TFX's own, spans and versions included, with the files and the fingerprint of `components.ingest.files`.

    TFX's fingerprint is over sizes and seconds of change, of files one folder deep.
    """

    def __init__(
        self,
        kind: SourceKind,
        input_base: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None,
    ) -> None:
        super().__init__(resolved(input_base), splits, range_config)
        self._kind: SourceKind = kind
        self._base = input_base

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Overrides TFX's fingerprint.

        Raises:
            IngestError: the source has no files.
        """
        patterns = [self.get_pattern_for_span_version(split.pattern, span, version) for split in self._splits]
        files = [f for pattern in patterns for f in list_files(self._kind, self._base, pattern)]
        if self._base == SOTU_BASE:
            # Of a span too, whose pattern finds the speeches alone.
            files = sorted({*files, *list_files(self._kind, self._base, SOTU_METADATA)})
        return fingerprint(files, self._base)


class Driver(driver.FileBasedDriver):
    """Resolves spans and fingerprints the files before the cache is asked."""

    _kind: SourceKind = "text"

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        output = super().run(execution_info)
        source = unpack(execution_info.exec_properties).source
        if has_spans(source):
            span = output.exec_properties[utils.SPAN_PROPERTY_NAME].int_value
            [examples] = output.output_artifacts[standard_component_specs.EXAMPLES_KEY].artifacts
            examples.custom_properties[SPAN_NAME].string_value = name_of(source, span)
        return output

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        self._kind = unpack(exec_properties).source.kind
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> InputProcessor:
        assert input_base_uri
        return InputProcessor(self._kind, input_base_uri, splits, range_config)
