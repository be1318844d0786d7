"""Driver of ExampleGen, which finds the files of a source and puts their fingerprint into the cache key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.components.example_gen import input_processor, utils
from tfx.proto import example_gen_pb2, range_config_pb2

from components.compat.tfx.drivers import OpenFilesDriver
from components.ingest.properties import unpack
from components.ingest.sources.base import Source
from components.ingest.sources.registry import source_of
from components.ingest.split_files import fingerprint_by_split

SPAN_NAME = "span_name"
"""Property of the examples with the display name of their span."""


class InputProcessor(input_processor.FileBasedInputProcessor):
    """Input processor of spans and versions that lists and fingerprints the files of a source.

    TFX's fingerprint covers only files one folder deep, by their sizes and modification times in seconds.
    """

    def __init__(
        self,
        source: Source[Any],
        input_base: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None,
    ) -> None:
        super().__init__(source.folder(input_base), splits, range_config)
        (self._pattern,) = [split.pattern for split in splits]
        self._source = source
        self._base = input_base

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        """Return the fingerprint of the files of the source.

        Raises:
            IngestError: The source has no files.
        """
        pattern = self.get_pattern_for_span_version(self._pattern, span, version)
        return fingerprint_by_split(self._source, self._base, pattern)


class Driver(OpenFilesDriver):
    """Driver that resolves spans and fingerprints the files before the cache lookup."""

    _source: Source[Any]

    def describe(self, examples: metadata_store_pb2.Artifact) -> None:
        """Set the display name of the span of the examples."""
        if self._source.has_spans:
            span = examples.custom_properties[utils.SPAN_PROPERTY_NAME].int_value
            examples.custom_properties[SPAN_NAME].string_value = self._source.span_name(span)

    def resolve_exec_properties(
        self, exec_properties: dict[str, Any], pipeline_info: Any, component_info: Any
    ) -> dict[str, Any]:
        """Create the source from the configuration, then resolve the span as TFX does."""
        self._source = source_of(unpack(exec_properties).source)
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> InputProcessor:
        """Return the processor that finds and fingerprints the files of the source."""
        assert input_base_uri
        return InputProcessor(self._source, input_base_uri, splits, range_config)
