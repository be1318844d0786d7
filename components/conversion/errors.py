"""Error of a conversion."""

from __future__ import annotations

from components.messages.exit_codes import UserError


class ConversionError(UserError):
    """Fault of the model, of the command, or of a converted file, in one sentence."""
