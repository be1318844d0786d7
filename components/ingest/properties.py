"""The configuration as an execution property of the node, so that it is part of the cache key."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2
from tfx.proto import example_gen_pb2
from tfx.types import standard_component_specs

from components.ingest.spec import DataSpec


def pack(data: DataSpec, code: str) -> example_gen_pb2.CustomConfig:
    """The configuration in the form that ExampleGen takes.

    Args:
        data: the configuration.
        code: a fingerprint of the code that reads the data: another one, and the cached output is not used.
    """
    struct = struct_pb2.Struct()
    struct.update({"data": data.model_dump_json(), "code": code})
    config = example_gen_pb2.CustomConfig()
    config.custom_config.Pack(struct)
    return config


def unpack(exec_properties: dict[str, Any]) -> DataSpec:
    """The configuration from a node's execution properties."""
    config = example_gen_pb2.CustomConfig()
    json_format.Parse(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY], config)
    struct = struct_pb2.Struct()
    config.custom_config.Unpack(struct)
    return DataSpec.model_validate_json(struct["data"])  # type: ignore[arg-type]
