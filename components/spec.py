"""Base class of every section of the configuration: typed, frozen, and closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Section of the configuration that belongs to one component.

    A component receives its spec as JSON (`spec.model_dump_json()`) in an execution property, so the spec is included
    in the cache key. The component reads the spec back with `MySpec.model_validate_json(...)`.
    """

    # A key without a limit has None. Infinity and NaN pass bounds such as `gt=0`, and would fail hours later.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
