"""Configuration of the metadata store."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.spec import Spec


class SqliteSpec(Spec):
    """SQLite file in the root folder, for one machine and one run at a time."""

    kind: Literal["sqlite"] = "sqlite"


class MySqlSpec(Spec):
    """MySQL or MariaDB server, which many pods can write to.

    The password is read from the environment variable `BIGVOCAB_METADATA_PASSWORD`.
    """

    kind: Literal["mysql"]
    host: str = Field(pattern=r"^[^\s/@\x00-\x1f\x7f]+$")
    """Host name of the server. Overridden by the environment variable `BIGVOCAB_METADATA_HOST`; likewise for port,
    database and user."""
    port: int = Field(default=3306, ge=1, le=65_535)
    """Port of the server."""
    database: str = Field(default="bigvocab", pattern=r"^[A-Za-z0-9_]+$")
    """Name of the database, which is created if it does not exist."""
    user: str = "bigvocab"
    """User name on the server."""


def _without_postgresql(value: Any) -> Any:
    if isinstance(value, dict) and str(value.get("kind")).startswith("postgres"):
        raise ValueError(
            "ML Metadata's PostgreSQL client writes broken SQL for any text with a backslash, such as the Evaluator's "
            "configuration: use kind 'mysql', with MySQL or MariaDB"
        )
    return value


MetadataSpec = Annotated[SqliteSpec | MySqlSpec, Field(discriminator="kind"), BeforeValidator(_without_postgresql)]
