"""Names of the built-in forms. Without TensorFlow, because reading a configuration must be fast."""

from __future__ import annotations

from typing import Literal

FormName = Literal["auto", "shared", "own", "full"]
"""`auto` is the choice of a form by the numbers of classes and of draws; the others are forms."""
