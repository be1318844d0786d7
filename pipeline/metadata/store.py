"""ML Metadata store, in which each run records its artifacts and the inputs that they were made from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from components.files import is_remote
from pipeline.config.sections.metadata import MySqlSpec, SqliteSpec

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd

PREFIX = "BIGVOCAB_METADATA_"
PASSWORD = f"{PREFIX}PASSWORD"
"""Environment variable that alone holds the password, so that no file and no process list shows it."""


class StoreUnreachable(Exception):
    """Failure to connect to the metadata store."""


class MetadataError(ValueError):
    """Environment or configuration that names no usable store."""


def connection(
    spec: SqliteSpec | MySqlSpec, file: str, environment: Mapping[str, str] = os.environ
) -> mlmd.ConnectionConfig:
    """Return TFX's connection to the store.

    Args:
        spec: Store in the configuration. A host in the environment selects a MySQL server in place of SQLite. The other
            variables override the fields of a MySQL server.
        file: Path of the SQLite file.
        environment: `BIGVOCAB_METADATA_HOST`, `_PORT`, `_DATABASE`, `_USER` and `_PASSWORD`.

    Raises:
        MetadataError: A variable has an invalid value, or the SQLite file would be in an object store.
    """
    from components.compat.tfx.v1 import v1 as tfx

    given = {
        field: environment[name]
        for field in ("host", "port", "database", "user")
        if environment.get(name := f"{PREFIX}{field.upper()}")
    }
    if "host" in given or (given and isinstance(spec, MySqlSpec)):
        configured = spec.model_dump() if isinstance(spec, MySqlSpec) else {}
        try:
            spec = MySqlSpec.model_validate({**configured, "kind": "mysql", **given})
        except ValidationError as error:
            # Without the values, because a host may be written as `user:password@host`.
            faults = (f"{PREFIX}{fault['loc'][0]}".upper() + f": {fault['msg']}" for fault in error.errors())
            raise MetadataError("; ".join(faults)) from None
    if isinstance(spec, SqliteSpec):
        if is_remote(file):
            raise MetadataError(f"{file}: SQLite needs a local disk; set metadata: {{kind: mysql, host: ...}}")
        return tfx.orchestration.metadata.sqlite_metadata_connection_config(file)
    # For "localhost" the client opens a Unix socket, which does not exist if the server runs in a container.
    host = "127.0.0.1" if spec.host == "localhost" else spec.host
    return tfx.orchestration.metadata.mysql_metadata_connection_config(
        host, spec.port, spec.database, spec.user, environment.get(PASSWORD, "").rstrip("\n")
    )


def describe(connection: mlmd.ConnectionConfig) -> str:
    """Return the address of the store without its password."""
    if connection.HasField("mysql"):
        mysql = connection.mysql
        return f"mysql://{mysql.user}@{mysql.host}:{mysql.port}/{mysql.database}"
    return connection.sqlite.filename_uri
