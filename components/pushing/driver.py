"""Driver of the Pusher, which keeps the cache from serving a pushed version that no longer exists."""

from __future__ import annotations

from typing import Any

from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from components.compat.tfx.drivers import CacheKeyDriver

LOST_KEY = "lost_versions"
MODEL_URI_KEY = "model_uri"
"""Custom property of a pushed model: URI of the Trainer's model that was pushed."""


class Driver(CacheKeyDriver):
    """Driver that adds the number of lost versions of the same model to the cache key.

    If no version is lost, the number is 0 and a second run is served from the cache. If someone deletes `serving/`, the
    next run pushes again. The run after that is a cache hit, since the number has not changed. Lost versions of other
    models do not count, so that the cache still serves after `serving.keep` has deleted old versions.
    """

    def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
        """Count the versions of the model that ML Metadata records and the push destination lacks."""
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(str(properties[standard_component_specs.PUSH_DESTINATION_KEY]), destination)
        directory = destination.filesystem.base_directory.rstrip("/")
        models = [model.uri for model in self.inputs.get(standard_component_specs.MODEL_KEY, ())]
        artifacts = self.known(standard_artifacts.PushedModel)
        # Models that an older release pushed lack the URI. They count for every model.
        pushed = {
            artifact.custom_properties["pushed_destination"].string_value
            for artifact in artifacts
            if artifact.custom_properties[MODEL_URI_KEY].string_value in ("", *models)
        }
        lost = [path for path in pushed if path.rpartition("/")[0] == directory and not fileio.exists(path)]
        return {LOST_KEY: len(lost)}
