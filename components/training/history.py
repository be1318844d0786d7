"""`training.json`: how a training went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.files import read_text, write_whole

_FILE = "training.json"


def write_history(directory: str, history: Mapping[str, Any]) -> None:
    """Write the history of a training into the folder of its `model_run`.

    Args:
        directory: The folder.
        history: `plan`, the fields of a `Plan`. `parameters`, number of weights. `devices` in words.
            `validation_examples`, the most labels of a validation. `measured`, the names of the label's metrics in
            each. `validations`, oldest first, each with `epoch`,
            `step`, `train_loss`, `seconds` and its metrics; `best`, the one whose weights were kept. `stopped_early`,
            `resumed`. `warm_start`, see `components.training.warm_start.transfer`, or None.
    """
    write_whole(f"{directory}/{_FILE}", json.dumps(history, indent=1))


def read_history(directory: str) -> dict[str, Any]:
    """Return what `write_history` wrote."""
    return json.loads(read_text(f"{directory}/{_FILE}"))
