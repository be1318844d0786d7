"""Class vectors of a pushed model as a file of NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.conversion.model import VectorModel

FILE = "vectors.npz"


def write(folder: Path, model: VectorModel) -> Path:
    """Write `vectors` (classes, width) and `biases` (classes,), and `inputs` (ids, embedding) if there is such a table.

    Args:
        folder: Folder for the file.
        model: Pushed model.

    Returns:
        The file.
    """
    table = model.input_table
    arrays: dict[str, Any] = {"vectors": model.vectors, "biases": model.biases}
    if table is not None:
        arrays["inputs"] = table
    np.savez(folder / FILE, **arrays)
    return folder / FILE
