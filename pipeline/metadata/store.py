"""The ML Metadata store, in which every run writes down what it made of what."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.files import is_remote
from pipeline.config.metadata import MySqlSpec, SqliteSpec

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd

PREFIX = "BIGVOCAB_METADATA_"
PASSWORD = f"{PREFIX}PASSWORD"
"""The one place for a password: it stands in no file and in no list of processes."""


class StoreUnreachable(Exception):
    """The metadata store does not answer."""


class MetadataError(ValueError):
    """The environment names no usable store."""


def connection(
    spec: SqliteSpec | MySqlSpec, file: str, environment: Mapping[str, str] = os.environ
) -> mlmd.ConnectionConfig:
    """How TFX gets at the store.

    Args:
        spec: of the configuration. A host in the environment makes it a MySQL server whatever stands there; the other
            variables come before what is configured of one.
        file: where an SQLite store lies.
        environment: `BIGVOCAB_METADATA_HOST`, `_PORT`, `_DATABASE`, `_USER` and `_PASSWORD`.

    Raises:
        MetadataError: a variable cannot be what it says, or SQLite would lie where it cannot work.
    """
    from components.compat.tfx_v1 import v1 as tfx

    given = {
        field: environment[name]
        for field in ("host", "port", "database", "user")
        if environment.get(name := f"{PREFIX}{field.upper()}")
    }
    if "host" in given or (given and isinstance(spec, MySqlSpec)):
        configured = spec.model_dump() if isinstance(spec, MySqlSpec) else {}
        try:
            spec = MySqlSpec.model_validate({**configured, "kind": "mysql", **given})
        except ValueError as error:
            raise MetadataError(f"{PREFIX}*: {error}") from error
    if isinstance(spec, SqliteSpec):
        if is_remote(file):
            raise MetadataError(f"{file}: SQLite wants a local disk; give metadata: {{kind: mysql, host: ...}}")
        return tfx.orchestration.metadata.sqlite_metadata_connection_config(file)
    # The client takes "localhost" for a socket in the file system, where a server in a container has none.
    host = "127.0.0.1" if spec.host == "localhost" else spec.host
    return tfx.orchestration.metadata.mysql_metadata_connection_config(
        host, spec.port, spec.database, spec.user, environment.get(PASSWORD, "").rstrip("\n")
    )


def describe(connection: mlmd.ConnectionConfig) -> str:
    """Where the store is, without its password."""
    if connection.HasField("mysql"):
        mysql = connection.mysql
        return f"mysql://{mysql.user}@{mysql.host}:{mysql.port}/{mysql.database}"
    return connection.sqlite.filename_uri
