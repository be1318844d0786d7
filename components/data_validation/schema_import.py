"""Brings the schema file into the run, and notices when it was edited."""

from __future__ import annotations

import hashlib

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base import base_driver as compile_time_driver
from tfx.dsl.io import fileio
from tfx.orchestration.portable import base_driver, data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_component_specs

FINGERPRINT = "schema_fingerprint"


class Driver(base_driver.BaseDriver, compile_time_driver.BaseDriver):
    """Makes the contents of the schema file a part of the cache key; the stock component's key holds its path alone."""

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Called by TFX before it asks the cache.

        Raises:
            FileNotFoundError: there is no schema file.
        """
        path = execution_info.exec_properties[standard_component_specs.SCHEMA_FILE_KEY]
        if not fileio.exists(path):
            raise FileNotFoundError(f"data.schema_file: '{path}' does not exist; 'bigvocab schema' writes a first one")
        with fileio.open(path, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[FINGERPRINT].string_value = digest
        return output


class SchemaImporter(ImportSchemaGen):
    """TFX's ImportSchemaGen with the driver above.

    Component `outputs` contains:
     - `schema`: Channel of type `standard_artifacts.Schema`.
    """

    DRIVER_CLASS = Driver
