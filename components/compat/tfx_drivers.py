"""TFX's drivers, which run before the cache is asked."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.base import base_driver as compile_time
from tfx.orchestration import metadata
from tfx.orchestration.portable import base_driver as portable
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import Artifact


class CacheKeyDriver(compile_time.BaseDriver, portable.BaseDriver):
    """Driver that adds properties to an execution, which are then included in its cache key.

    Reason: TFX's cache key holds the properties of a node, not the state of files outside. Only a driver can add to it.
        The compiler wants one base class and the launcher another; neither is public.
    Versions: TFX 1.21.
    Remove when: TFX has a public driver, or a public hook for the cache key.
    """

    def __init__(self, metadata_handle: metadata.Metadata) -> None:
        compile_time.BaseDriver.__init__(self, metadata_handle)
        portable.BaseDriver.__init__(self, metadata_handle)

    def added(self, properties: dict[str, Any]) -> dict[str, int | str]:
        """Return the properties to add.

        Args:
            properties: of the execution.
        """
        raise NotImplementedError

    def known(self, kind: type[Artifact]) -> list[Any]:
        """Return all artifacts of a type in the metadata store, as messages."""
        with self._mlmd_connection as handle:
            return handle.store.get_artifacts_by_type(str(kind.TYPE_NAME))

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        output = driver_output_pb2.DriverOutput()
        for name, value in self.added(execution_info.exec_properties).items():
            if isinstance(value, int):
                output.exec_properties[name].int_value = value
            else:
                output.exec_properties[name].string_value = value
        return output
