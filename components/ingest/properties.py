"""Data specification as an execution property of the node, which belongs to the cache key."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs

from components.ingest.spec import DataSpec


def pack(data: DataSpec, code: str) -> example_gen_pb2.CustomConfig:
    """Return the configuration as a message of ExampleGen.

    Args:
        data: Configuration of the source and of the columns.
        code: Fingerprint of the code that reads the data, so that changed code invalidates the cache.
    """
    struct = struct_pb2.Struct()
    struct.update({"data": data.model_dump_json(), "code": code})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(struct)
    return config


def unpack(exec_properties: dict[str, Any]) -> DataSpec:
    """Return the configuration from the execution properties of a node."""
    config = example_gen_pb2.CustomConfig()
    json_format.Parse(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config)
    struct = struct_pb2.Struct()
    config.custom_config.Unpack(struct)
    return DataSpec.model_validate_json(struct["data"])  # type: ignore[arg-type]
