"""Component that imports the schema file, adds the pipeline's own features, and runs again after an edit."""

from __future__ import annotations

import hashlib
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.schema_gen import executor as schema_gen
from tfx.components.schema_gen.import_schema_gen import executor
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, component_spec, standard_component_specs
from tfx.utils import io_utils

from components.compat.tfx.drivers import CacheKeyDriver
from components.names import FIRST_LABEL

FINGERPRINT = "schema_fingerprint"
OWN_FEATURES = "own_features"
_FIRST_LABEL = f"""
feature {{
  name: "{FIRST_LABEL}" type: INT
  value_count {{ min: 1 max: 1 }} presence {{ min_fraction: 1.0 min_count: 1 }} int_domain {{ min: 1 }}
}}
"""


class Driver(CacheKeyDriver):
    """Driver that adds the contents of the schema file to the cache key. TFX's own key has only the path."""

    def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
        """Return the hash of the schema file.

        Raises:
            FileNotFoundError: The schema file does not exist.
        """
        path = properties[standard_component_specs.SCHEMA_FILE_KEY]
        if not fileio.exists(path):
            raise FileNotFoundError(f"data.schema_file: '{path}' does not exist; 'bigvocab schema' writes a first one")
        with fileio.open(path, "rb") as stream:
            return {FINGERPRINT: hashlib.sha256(stream.read()).hexdigest()}


class Executor(executor.Executor):
    """TFX's executor, which copies the file, and adds the features that the pipeline writes beside the columns.

    They are not in the file: `data.splits` decides if the rows have them, and one schema fits all splits.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the schema."""
        super().Do(input_dict, output_dict, exec_properties)
        if own := exec_properties.get(OWN_FEATURES):
            folder = artifact_utils.get_single_uri(output_dict[standard_component_specs.SCHEMA_KEY])
            path = f"{folder}/{schema_gen.DEFAULT_FILE_NAME}"
            schema = io_utils.SchemaReader().read(path)
            schema.MergeFrom(text_format.Parse(own, schema_pb2.Schema()))
            io_utils.write_pbtxt_file(path, schema)


class SchemaImporterSpec(component_spec.ComponentSpec):
    """TFX's spec with the pipeline's own features, as the text of a schema."""

    PARAMETERS = {
        **standard_component_specs.ImportSchemaGenSpec.PARAMETERS,
        OWN_FEATURES: component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = standard_component_specs.ImportSchemaGenSpec.INPUTS
    OUTPUTS = standard_component_specs.ImportSchemaGenSpec.OUTPUTS


class SchemaImporter(ImportSchemaGen):
    """TFX's ImportSchemaGen with the driver and the executor above.

    Component `outputs` contains:
     - `schema`: Channel of type `standard_artifacts.Schema`.
    """

    SPEC_CLASS = SchemaImporterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(self, schema_file: str, splits_positions: bool = False) -> None:
        """Initialize the component.

        Args:
            schema_file: Path of the schema.
            splits_positions: True if the rows have the feature `FIRST_LABEL`; see `DataSpec.splits_positions`.
        """
        spec = SchemaImporterSpec(
            schema_file=schema_file,
            own_features=_FIRST_LABEL if splits_positions else None,
            schema=types.Channel(type=types.standard_artifacts.Schema),
        )
        super(ImportSchemaGen, self).__init__(spec=spec)
