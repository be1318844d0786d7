"""Path of uv, found as in ./with-env."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

UV = os.environ.get("UV") or shutil.which("uv") or str(Path(__file__).parents[2] / ".uv" / "bin" / "uv")
