"""Base class of every section of the configuration: typed, frozen, and closed to unknown keys."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from components.messages.redaction import secret_of

Duration = Annotated[str, Field(pattern=r"^\d+[smhd]$")]
"""Duration, such as `90s`, `30m`, `6h` or `2d`."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(duration: str) -> int:
    """Return the number of seconds of a `Duration`."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


class Spec(BaseModel):
    """Section of the configuration that belongs to one component.

    A component receives its spec as JSON (`spec.model_dump_json()`) in an execution property, so the spec is included
    in the cache key. The component reads the spec back with `MySpec.model_validate_json(...)`.
    """

    # A key without a limit has None. Infinity and NaN pass bounds such as `gt=0`, and would fail hours later.
    # The whole configuration is built at once, at its first validation, in place of each section by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    place_of_secrets: ClassVar[str] = "leave it to the environment or to the credentials file of the storage"

    @field_validator("*")
    @classmethod
    def _no_secret(cls, value: Any) -> Any:
        """Refuse a URI with a secret, which would be in the metadata, the logs and the compiled pipeline."""
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and (kind := secret_of(text)):
                raise ValueError(
                    f"remove the {kind}, and {cls.place_of_secrets}, so that it appears in no file and no log"
                )
        return value
