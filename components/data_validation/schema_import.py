"""Component that imports the schema file, and runs again after the file was edited."""

from __future__ import annotations

import hashlib
from typing import Any

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs

from components.compat.tfx_drivers import CacheKeyDriver

FINGERPRINT = "schema_fingerprint"


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


class SchemaImporter(ImportSchemaGen):
    """TFX's ImportSchemaGen with the driver above.

    Component `outputs` contains:
     - `schema`: Channel of type `standard_artifacts.Schema`.
    """

    DRIVER_CLASS = Driver
