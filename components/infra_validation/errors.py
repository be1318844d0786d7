"""Why a model is refused."""

from __future__ import annotations

from tfx.components.infra_validator import error_types


class BrokenExport(error_types.ValidationFailed):
    """The exported model itself is at fault. Its message is one sentence for people."""
