"""History of a training, stored in `training.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.files import read_text, write_whole
from components.messages.formatting import figure, in_bytes

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
            `components.training.held_out`. `class_table`, only with int8 class vectors: see `held_out.quantize`.
            `approximate`, only if an approximate search was configured: see `components.training.export.approximate`.
            `neighbors`: see `components.training.board.neighbors`.
    """
    write_whole(f"{directory}/{_FILE}", json.dumps(history, indent=1))


def read_history(directory: str) -> dict[str, Any]:
    """Return the history that `write_history` wrote."""
    return json.loads(read_text(f"{directory}/{_FILE}"))


def served_lines(history: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each part of `class_table` and `approximate` of a history: the choice and its loss."""
    if table := history.get("class_table"):
        (nll, nll_after), (recall, recall_after) = table["nll"], table["recall_at_10"]
        yield (
            f"int8 class vectors: {in_bytes(table['bytes'])}, nll {figure(nll, '.4f')} -> {figure(nll_after, '.4f')}, "
            f"recall@10 {figure(recall, '.4f')} -> {figure(recall_after, '.4f')}"
        )
    if found := history.get("approximate"):
        if "exact" in found:
            yield f"exact answers: {found['exact']}"
            return
        yield (
            f"approximate answers: {found['recall_at_10']:.2%} of the 10 most probable labels, in {found['probes']:,} "
            f"of {found['clusters']:,} clusters"
        )
