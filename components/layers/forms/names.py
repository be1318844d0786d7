"""Names of the built-in forms. Must not import TensorFlow, because reading a configuration must be fast."""

from __future__ import annotations

from typing import Literal

FormName = Literal["auto", "shared", "own", "full"]
"""Names of forms, and `auto`, which selects a form by the numbers of classes and draws."""
