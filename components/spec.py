"""The base of every part of the configuration: typed, frozen, with unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A part of the configuration that belongs to one component.

    A component receives its spec as JSON (`spec.model_dump_json()`) in an execution property, so that the spec is part
    of the cache key, and reads it back with `MySpec.model_validate_json(...)`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
