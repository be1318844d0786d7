"""Configuration of the retention of artifacts."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class ArtifactsSpec(Spec):
    """Outputs of the nodes, under `artifacts/`."""

    keep: int | None = Field(default=None, ge=1)
    """Number of newest complete runs whose artifacts remain after a run. The artifacts that the last blessed model, a
    pushed version or a running run needs remain too. None: all artifacts remain."""
