"""History of a training, stored in `training.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.files import read_text, write_whole

_FILE = "training.json"


def write_history(directory: str, history: Mapping[str, Any]) -> None:
    """Write the history of a training into the folder of its `model_run`.

    Args:
        directory: Folder of the `model_run`.
        history: Dictionary with these keys. `plan`: fields of a `Plan`. `parameters`: number of weights. `devices`:
            description of the devices. `examples`: `rows` or `windows`. `validation_examples`: maximum number of labels
            in a validation. `measured`: names of the metrics of the label in each validation. `validations`: records of
            the validations, oldest first, each with `epoch`, `step`, `train_loss`, `seconds` and its metrics. `best`:
            record of the validation whose weights were kept. `stopped_early` and `resumed`: flags. `warm_start`: see
            `components.training.warm_start.transfer`, or None. `mixture`, `calibration` and `label_calibration`: see
            `components.training.held_out`.
    """
    write_whole(f"{directory}/{_FILE}", json.dumps(history, indent=1))


def read_history(directory: str) -> dict[str, Any]:
    """Return the history that `write_history` wrote."""
    return json.loads(read_text(f"{directory}/{_FILE}"))
