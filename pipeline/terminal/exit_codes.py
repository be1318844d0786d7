"""How a command ends, when it is not 0."""

from __future__ import annotations

FAILED = 1
WRONG = 2
INTERRUPTED = 130


class UserError(Exception):
    """Fault that the user can put right, in one sentence.

    Args:
        message: The sentence.
        code: Exit code of the command.
    """

    def __init__(self, message: str, code: int = WRONG) -> None:
        super().__init__(message)
        self.code = code
