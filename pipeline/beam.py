"""How Beam is started."""

from __future__ import annotations

# Explicit: Beam's default runner would first look for a binary that it downloads.
BEAM_ARGS = ["--runner=FnApiRunner"]
