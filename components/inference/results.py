"""`inference.json`: what the node BulkInferrer answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.files import read_text, write_whole

_FILE = "inference.json"


def write_results(uri: str, results: Mapping[str, Any]) -> None:
    """Write the results into the folder of the artifact.

    Args:
        uri: The folder.
        results: `path`, the rows; `model`, the version that answered them; `files`, `rows` and `unusable`, numbers;
            `shards`, the number of files of answers; `reasons`, the first reasons why rows are unusable; `warnings`,
            lines for people; `refusal`, why nothing was answered, or an empty text.
    """
    write_whole(f"{uri}/{_FILE}", json.dumps(results, indent=2) + "\n")


def read_results(uri: str) -> dict[str, Any]:
    """Return the results that `write_results` wrote."""
    return json.loads(read_text(f"{uri}/{_FILE}"))
