"""Configuration of the Pusher."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class CardSpec(Spec):
    """Statements of the model card that nothing in a run can measure. The card says `not stated` without them."""

    intended_use: str | None = None
    """Purpose of the model, and uses to avoid."""
    license: str | None = None
    """License of the model, such as `apache-2.0`."""
    data_license: str | None = None
    """License of the data, and its source."""
    contact: str | None = None
    """Person or team to ask about the model."""


class ServingSpec(Spec):
    """Versions of the model in the folder that model servers watch."""

    keep: int | None = Field(default=None, ge=2)
    """Number of newest versions that remain after a push, at least 2: a model server may still read the version before
    the newest. The version that the last rollback repeats remains too. None: all versions remain."""
