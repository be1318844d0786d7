"""Files of a converted model beside its vectors: vocabularies, and a description."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from components.conversion.model import VectorModel
from components.ingest.rows.columns import columns_read
from components.preprocessing.vocabulary import ESCAPES, Vocabulary, read_vocabulary

ABOUT_FILE = "about.json"
_ASSETS = "assets"


def vocabularies(model: VectorModel) -> dict[str, Vocabulary]:
    """Return the vocabularies of a model by name: `inputs`, `labels`, and `category_<name>`."""
    files = sorted(path for path in (model.folder / _ASSETS).iterdir() if path.is_file())
    return {path.name: read_vocabulary(path) for path in files}


def write_vocabularies(folder: Path, found: dict[str, Vocabulary]) -> None:
    """Write each vocabulary as a CSV file with the columns id, token and count, in the order of the ids.

    Args:
        folder: Folder of the converted model.
        found: Vocabularies by name, which becomes the name of the file.
    """
    for name, vocabulary in found.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "token", "count"])
            writer.writerows(zip(range(len(vocabulary)), vocabulary.tokens, vocabulary.counts.tolist(), strict=True))


def write_about(folder: Path, model: VectorModel, found: dict[str, Vocabulary], **more: Any) -> None:
    """Write the description of a converted model, `about.json`.

    Args:
        folder: Folder of the converted model.
        model: Pushed model.
        found: Its vocabularies.
        **more: Further facts, by key.
    """
    facts, inputs = model.facts, len(found["inputs"])
    about = {
        "model": model.folder.name,
        "classes": len(model.vectors),
        "width": model.vectors.shape[1],
        "logit": "query . vectors[class] + biases[class]",
        "probability": "sigmoid(logit)" if model.independent else "softmax(logits)[class]",
        "beside": model.beside,
        "columns": columns_read(model.pushed.data),
        "context": model.about.context,
        "input_ids": {
            "vocabulary": "inputs.csv",
            "unknown": f"{inputs} + farmhash_fingerprint64(escaped token) % {facts['padding'] - inputs}",
            "escapes": ESCAPES,
            "padding": facts["padding"],
            "padded": "right" if facts["whole_rows"] else "left",
        },
        "encoder_inputs": {
            name: {"shape": [str(n) if n is None else n for n in spec.shape], "type": spec.dtype.name}
            for name, spec in model.arguments.items()
        },
        **more,
    }
    (folder / ABOUT_FILE).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
