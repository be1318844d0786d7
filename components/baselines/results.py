"""`baselines.json`: the metrics of the baselines on the test split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.files import read_text, write_whole

_FILE = "baselines.json"


def write_baselines(uri: str, results: Mapping[str, Any]) -> None:
    """Write the results of the Baselines node into the folder of its artifact.

    Args:
        uri: Folder of the artifact.
        results: `split`, the measured split; `examples`, rows and labels by split; `metrics` by baseline; `targets`,
            metrics by column and baseline; `out_of_vocabulary_rate` of `inputs` and `labels`, shares or None. Classes
            also have `bands` and `discounts` by baseline, and `labels_outside` by split: the number of labels, the
            number of labels outside the vocabulary, and the most frequent of these. Data in spans also have `spans`,
            the out-of-vocabulary rates by span number.

    Raises:
        ValueError: A number is not finite.
    """
    write_whole(f"{uri}/{_FILE}", json.dumps(results, indent=2, allow_nan=False) + "\n")


def read_baselines(uri: str) -> dict[str, Any]:
    """Return the results that `write_baselines` wrote. The keys of `spans` are strings."""
    return json.loads(read_text(f"{uri}/{_FILE}"))


def refuse_empty(labels: float) -> None:
    """Refuse a test split without labels.

    Args:
        labels: Number of labels, or of rows with labels, that were measured.

    Raises:
        ValueError: The number is 0.
    """
    if not labels:
        raise ValueError(
            "the test split holds no label to measure: give data.splits.test a larger share, or bring more rows"
        )
