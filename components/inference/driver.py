"""Driver of the BulkInferrer, which puts the fingerprint of the rows into the cache key."""

from __future__ import annotations

from typing import Any

from components.compat.tfx.drivers import CacheKeyDriver
from components.inference.files import fingerprint
from components.inference.spec import InferenceSpec
from components.ingest.spec import DataSpec

ROWS_KEY = "rows"


class Driver(CacheKeyDriver):
    """Driver that adds the fingerprint of the files of rows."""

    def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
        """Return the fingerprint of the files."""
        spec = InferenceSpec.model_validate_json(properties["inference"])
        data = DataSpec.model_validate_json(properties["data"])
        assert spec.path
        return {ROWS_KEY: fingerprint(spec.path, data.source)}
