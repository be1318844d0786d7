"""Notices that a version that was once pushed is gone, so that the cache does not speak of a push nobody can see."""

from __future__ import annotations

from tfx.dsl.components.base import base_driver
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto import pusher_pb2
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

LOST_KEY = "lost_versions"


class Driver(base_driver.BaseDriver, portable_base_driver.BaseDriver):
    """Adds the number of lost versions to the execution's properties, which are the key of the cache.

    With nothing lost it is 0, and a second run is served from the cache. When someone deletes `serving/`, the next run
    pushes again; the run after that is a cache hit, since the number has not changed.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        base_driver.BaseDriver.__init__(self, metadata_handle)
        portable_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Counts the destinations under the push destination that ML Metadata knows and the file system does not."""
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            str(execution_info.exec_properties[standard_component_specs.PUSH_DESTINATION_KEY]), destination
        )
        directory = destination.filesystem.base_directory.rstrip("/")
        with self._mlmd_connection as handle:
            artifacts = handle.store.get_artifacts_by_type(str(standard_artifacts.PushedModel.TYPE_NAME))
        pushed = {artifact.custom_properties["pushed_destination"].string_value for artifact in artifacts}
        lost = [path for path in pushed if path.rpartition("/")[0] == directory and not fileio.exists(path)]
        output = driver_output_pb2.DriverOutput()
        output.exec_properties[LOST_KEY].int_value = len(lost)
        return output
