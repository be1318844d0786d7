"""The metadata store of a configuration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.spec import Spec


class SqliteSpec(Spec):
    """A file under the root: for one machine, and one run at a time."""

    kind: Literal["sqlite"] = "sqlite"


class MySqlSpec(Spec):
    """A MySQL or MariaDB server, which many pods may write to. The password is `BIGVOCAB_METADATA_PASSWORD`."""

    kind: Literal["mysql"]
    host: str = Field(min_length=1)
    """`BIGVOCAB_METADATA_HOST` comes before it; so for port, database and user."""
    port: int = Field(default=3306, ge=1, le=65_535)
    database: str = Field(default="bigvocab", pattern=r"^[A-Za-z0-9_]+$")
    """Made when it is not there."""
    user: str = "bigvocab"


def _without_postgresql(value: Any) -> Any:
    if isinstance(value, dict) and str(value.get("kind")).startswith("postgres"):
        raise ValueError(
            "ML Metadata's PostgreSQL client writes broken SQL for any text with a backslash, such as the Evaluator's "
            "configuration: take kind 'mysql', for MySQL or MariaDB"
        )
    return value


MetadataSpec = Annotated[SqliteSpec | MySqlSpec, Field(discriminator="kind"), BeforeValidator(_without_postgresql)]
