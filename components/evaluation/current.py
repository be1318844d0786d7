"""Evaluation that runs now. TFX tells the executor and the extractors different halves of it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass
class Evaluation:
    """Evaluation of one execution of the node.

    Attributes:
        folder: URI of the `evaluation` artifact, which TFX passes only to the executor.
        load: Function that loads the new model, which TFX passes only to the extractors. In the process that evaluated
            the rows, it returns the model that TFMA still holds there, unless a second model took its place.
    """

    folder: str
    load: Callable[[], Any] | None = None


CURRENT: ContextVar[Evaluation] = ContextVar("evaluation that runs now")
