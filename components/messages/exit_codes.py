"""Exit codes of commands that do not succeed, and an exception for faults that users can fix."""

from __future__ import annotations

FAILED = 1
WRONG = 2
INTERRUPTED = 130


class UserError(Exception):
    """Fault that the user can fix.

    Args:
        message: Description of the fault in one sentence.
        code: Exit code of the command.
    """

    def __init__(self, message: str, code: int = WRONG) -> None:
        super().__init__(message)
        self.code = code
