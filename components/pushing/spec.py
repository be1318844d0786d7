"""Configuration of the Pusher."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class ServingSpec(Spec):
    """Versions of the model in the folder that model servers watch."""

    keep: int | None = Field(default=None, ge=2)
    """Number of newest versions that remain after a push, at least 2: a model server may still read the version before
    the newest. The version that the last rollback repeats remains too. None: all versions remain."""
