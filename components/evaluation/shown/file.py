"""Predictions that the report shows, in a JSON file beside the evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.util import examples_utils
from tfx.utils import path_utils

from components.evaluation.shown.predictions import described
from components.files import exists, is_remote, matching, read_text, write_whole
from components.metrics.targets import Target
from components.training.export.description import read_if_there

_FILE = "shown.json"


def write_shown(
    evaluation: str,
    model: types.Artifact,
    examples: types.Artifact,
    slices: Sequence[str],
    label: Target,
    load: Callable[[], Any] | None = None,
) -> None:
    """Write the file, unless the label is a number or the export has no description of its data.

    Args:
        evaluation: URI of the `evaluation` artifact.
        model: The Trainer's `model`.
        examples: Test rows with the sums of the baselines.
        slices: Columns of the slices.
        label: Label as a target.
        load: Function that loads the SavedModel. None loads it from the artifact, which takes two seconds of CPU time
            for the default data.
    """
    folder = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    if label.kind == "number" or not (about := read_if_there(folder)):
        return
    files = matching(examples_utils.get_split_file_patterns([examples], "test"))
    records: Any = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    loaded = load() if load else tf.saved_model.load(folder)
    found = {"predictions": described(loaded, about, records, slices, label)}
    write_whole(f"{evaluation}/{_FILE}", json.dumps(found))


def read_shown(evaluation: str) -> dict[str, Any]:
    """Return the fields of a summary; none if the label is a number, or an earlier version wrote the evaluation."""
    file = f"{evaluation}/{_FILE}"
    if not (tf.io.gfile.exists(file) if is_remote(file) else exists(file)):
        return {}
    return {name: value for name, value in json.loads(read_text(file)).items() if value}
