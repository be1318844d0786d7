"""Folder of the current evaluation. TFX passes the folder to the executor, but not to the extractors."""

from __future__ import annotations

from contextvars import ContextVar

FOLDER: ContextVar[str] = ContextVar("folder of the evaluation")
