"""Results of the node BulkInferrer, in `inference.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.files import read_text, write_whole

_FILE = "inference.json"


def write_results(uri: str, results: Mapping[str, Any]) -> None:
    """Write the results into the folder of the artifact.

    Args:
        uri: Folder of the artifact.
        results: Dictionary with these keys. `path`: path of the rows. `model`: version of the model. `files`, `rows`
            and `unusable`: numbers of files, rows and unusable rows. `shards`: number of files of answers. `reasons`:
            first reasons why rows are unusable. `warnings`: lines of warning. `refusal`: reason why the node wrote no
            answers, or an empty text.
    """
    write_whole(f"{uri}/{_FILE}", json.dumps(results, indent=2) + "\n")


def read_results(uri: str) -> dict[str, Any]:
    """Return the results that `write_results` wrote."""
    return json.loads(read_text(f"{uri}/{_FILE}"))
