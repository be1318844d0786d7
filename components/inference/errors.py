"""Error of predictions."""

from __future__ import annotations

from components.messages.exit_codes import UserError


class PredictError(UserError):
    """Fault of the model, of the command, or of a whole file of rows, in one sentence."""
