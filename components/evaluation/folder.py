"""Folder that the present evaluation is written to. TFX tells it to the executor, but not to the extractors."""

from __future__ import annotations

from contextvars import ContextVar

FOLDER: ContextVar[str] = ContextVar("folder of the evaluation")
