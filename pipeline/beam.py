"""How Beam is started."""

from __future__ import annotations

BEAM_ARGS = [
    # Explicit: Beam's default runner would first look for a binary that it downloads.
    "--runner=FnApiRunner",
    # Never used by this runner. Without a name, TFX builds a source package of itself before each Beam pipeline.
    "--sdk_container_image=none",
]
