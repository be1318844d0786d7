"""New labels in a pushed model, without training: their vectors follow from their features."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.labels.reading import LabelsError, read_items
from components.labels.spec import LabelFeatureSpec, LabelsSpec
from components.messages.exit_codes import UserError
from components.preprocessing.vocabulary import escape, read_vocabulary
from components.pushing import records, versions
from components.training.export import description
from components.training.export.growing import FEATURES_FILE, LABELS_FILE, Growing, arguments, read_features

_VARIABLES = "variables/variables"


class NewLabelsError(UserError):
    """Labels that cannot be added to a model."""


@dataclass(frozen=True)
class Added:
    """Result of `add_labels`.

    Attributes:
        version: Folder of the new version.
        labels: Labels that were added, in the order of the file.
        known: Number of lines of labels that the model knew already.
        without_features: Number of added labels whose features the training has never seen.
    """

    version: Path
    labels: Sequence[str]
    known: int
    without_features: int


def add_labels(model: Path, file: str, clock: Callable[[], float] = time.time) -> Added:
    """Publish a new version of a pushed model that also knows the labels of a file.

    A new label has the vector and the bias of its features alone, like a label without occurrences. It becomes a class.
    As an input it remains outside the vocabulary until the next training. The new version replaces only the two
    variables with a row for each class, the vocabulary file of the labels, and the number of labels in
    `bigvocab.json`; the graph stays.

    Args:
        model: Folder of one version, beside the other versions.
        file: CSV file with the columns of the key and the features that the model was trained with.
        clock: Function that returns the seconds since the Unix epoch, as for `versions.push`.

    Raises:
        NewLabelsError: The model has no features of labels, or mixes its softmax with counts; the file has faults, or
            no label that the model does not know.
        OSError: The copy failed, and no version was created.
    """
    about = _about(model)
    features = read_features(about)
    try:
        items = read_items(
            LabelsSpec(
                file=file,
                key=features.key,
                features={name: LabelFeatureSpec(kind=of.kind) for name, of in features.features.items()},
            ),
            "labels of the model",
        )
    except LabelsError as error:
        raise NewLabelsError(str(error)) from error
    known = set(read_vocabulary(model / LABELS_FILE).tokens)
    new = [label for label in items if label not in known]
    if not new:
        raise NewLabelsError(f"{file}: the model in {model} knows all {len(items):,} labels already: nothing to add")
    table = features.table(items, new, [0] * len(new))
    rows = _vectors(model, arguments(table))
    empty = (table.numbers == 0).all(axis=1) & np.all([np.diff(bag.starts) == 0 for bag in table.bags.values()], axis=0)
    record = records.read(model)
    with tempfile.TemporaryDirectory(prefix="bigvocab-labels-") as folder:
        copy = Path(folder, "model")
        shutil.copytree(model, copy)
        (copy / records.PLACE).unlink(missing_ok=True)
        _append_rows(copy, rows)
        _append_labels(copy, new)
        version = versions.push(
            copy,
            model.parent,
            clock,
            metrics=record.metrics if record else None,
            previous=record.previous if record else None,
        )
    return Added(version, new, len(items) - len(new), int(np.sum(empty)))


def _about(model: Path) -> dict[str, Any]:
    """Return the contents of the file about the features of labels.

    Raises:
        NewLabelsError: The model has no such file, or no label can be added.
    """
    if not (model / versions.MAIN_FILE).is_file():
        raise NewLabelsError(f"{model} is no pushed model: it has no {versions.MAIN_FILE}")
    try:
        about = json.loads((model / FEATURES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NewLabelsError(
            f"{model}: the model was trained without features of labels, so that a new label would have no vector: "
            "set `labels` in the configuration and train again"
        ) from error
    if not about["grows"]:
        raise NewLabelsError(
            f"{model}: the model mixes its softmax with counts, which have no room for new labels: set "
            "trainer.head.mixture: none and train again"
        )
    return about


def _vectors(model: Path, given: dict[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Return the rows of new classes, by name of the variable."""
    import tensorflow as tf

    answer = tf.saved_model.load(str(model)).signatures[Growing.SIGNATURE](**given)
    return {name: answer[name].numpy() for name in Growing.VARIABLES}


def _append_rows(model: Path, rows: dict[str, NDArray[np.float32]]) -> None:
    """Write the variables of a model again, with more rows of the variables of all classes."""
    import tensorflow as tf

    prefix = str(model / _VARIABLES)
    reader = tf.train.load_checkpoint(prefix)
    tensors = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    for name, more in rows.items():
        key = f"{name}/.ATTRIBUTES/VARIABLE_VALUE"
        tensors[key] = np.concatenate([tensors[key], more])
    for path in model.glob(f"{_VARIABLES}.*"):
        path.unlink()
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.convert_to_tensor(tensor) for tensor in tensors.values()],
    )


def _append_labels(model: Path, labels: Sequence[str]) -> None:
    """Append labels without occurrences to the vocabulary file, and count them in `bigvocab.json`."""
    file, about = model / LABELS_FILE, description.read(model)
    text = file.read_bytes()
    lines = "".join(f"0 {escape(label)}\n" for label in labels)
    file.write_bytes(text + (b"" if text.endswith(b"\n") else b"\n") + lines.encode())
    description.write(model, about.model_copy(update={"labels": (about.labels or 0) + len(labels)}))
