"""Errors of requests."""

from __future__ import annotations

BAD_REQUEST, NOT_FOUND, TOO_LARGE, FAILED, UNAVAILABLE = 400, 404, 413, 500, 503
"""HTTP status codes of errors."""


class RequestError(Exception):
    """Fault of a request, in one sentence.

    Args:
        message: Description of the fault, for the client.
        status: HTTP status code.
    """

    def __init__(self, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status
