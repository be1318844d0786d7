"""`trials.json`: the trials of a search."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.files import read_text, write_whole
from components.tuning.spec import RangeSpec

if TYPE_CHECKING:
    from components.tuning.study import Trial

_FILE = "trials.json"


def write_trials(uri: str, trials: Sequence[Trial], best: int, space: Mapping[str, RangeSpec]) -> None:
    """Write the trials into the folder of an artifact.

    Args:
        uri: The folder.
        trials: All trials.
        best: Number of the best trial.
        space: Ranges by dotted key.
    """
    found = {
        "best": best,
        "space": {key: values.model_dump(mode="json", exclude_unset=True) for key, values in space.items()},
        "trials": [dataclasses.asdict(trial) for trial in trials],
    }
    write_whole(f"{uri}/{_FILE}", json.dumps(found, indent=1) + "\n")


def read_trials(uri: str) -> dict[str, Any]:
    """Return the contents that `write_trials` wrote."""
    return json.loads(read_text(f"{uri}/{_FILE}"))
