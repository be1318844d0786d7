"""Check, right after Transform and before training, that a model can learn from the train split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray

from components.compat.tensorflow import untuned
from components.compat.transform import empty_file_line
from components.ingest.spec import DataSpec
from components.names import WEIGHT, key_of
from components.preprocessing.preprocessing import BASKET, FIRST_LABEL, LABEL_IDS, LABEL_VALUE
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import Vocabulary, category_file, read_vocabulary

_ROWS = 1024
_IDS = tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64)
_SHOWN = 60


class NothingToLearn(ValueError):
    """Error for a train split with too few classes or no numbers. The message has a line for each such column."""


def check_learnable(
    data: DataSpec,
    spec: VocabularySpec,
    transform: tft.TFTransformOutput,
    files: Sequence[str],
    eval_files: Sequence[str],
) -> None:
    """Refuse a train split from which no model can learn.

    The check reads the vocabularies. It reads rows only if the vocabularies do not decide, and stops at the first two
    classes or at the first number.

    Args:
        data: Meaning of the columns.
        spec: Settings with which tokens and labels were counted.
        transform: Output of Transform.
        files: Transformed train split, gzip TFRecords of tf.Examples.
        eval_files: Transformed eval split, on which training is validated.

    Raises:
        NothingToLearn: No input token has an id. Or a categorical label or target has fewer than two classes. Or a
            numeric label or target has no value. Or the eval split has no label to validate on. Or all weights of the
            train or the eval split are 0.
    """
    faults = []
    if not _vocabulary(transform, "inputs"):
        columns = ", ".join(map(repr, data.inputs))
        faults.append(
            f"data.inputs: no token of {columns} is seen {spec.min_count:,} times in the train split, as "
            "vocabulary.min_count demands: lower it, or bring more rows"
            if spec.min_count > 1
            else f"data.inputs: the train split has no token in {columns}: choose other columns"
        )
    if data.label_kind != "number":
        faults += _label_faults(data, spec, transform, files)
    elif not _has_number(files, LABEL_VALUE):
        faults.append(_no_number("data.label", str(data.label)))
    for name, target in data.targets.items():
        if target.kind == "number" and not _has_number(files, key_of(name)):
            faults.append(_no_number("data.targets", name))
        if target.kind == "category":
            classes = _vocabulary(transform, category_file(name))
            remove = f"remove {name!r} from data.targets"
            advice = f"raise data.targets.{name}.top, or {remove}" if len(classes) >= target.top else remove
            faults += _class_faults(f"data.targets: column {name!r}", _counts(classes), "row", advice)
    if not faults and not _can_validate(eval_files, data):
        faults.append(
            f"data.splits.eval: no label of column {data.label or data.inputs[0]!r} in the eval split is one of the "
            "classes of the train split, so that training cannot be validated: bring more rows, or a larger share"
            if data.label_kind != "number"
            else f"data.splits.eval: column {data.label!r} has no number in the eval split: bring more rows"
        )
    faults += [
        f"data.weight: all weights of column {data.weight!r} are 0 in the {split} split: give rows a weight above 0"
        for split, of in (("train", files), ("eval", eval_files))
        if data.weight is not None and not _has_weight(of, data)
    ]
    if faults:
        raise NothingToLearn("\n".join(faults))


def _label_faults(
    data: DataSpec, spec: VocabularySpec, transform: tft.TFTransformOutput, files: Sequence[str]
) -> list[str]:
    vocabulary = _vocabulary(transform, "labels")
    counts = _counts(vocabulary)
    # The counts include inputs, or first tokens of sequences, so not every entry has to be a label.
    if data.shape == "sequence" or spec.shared:
        counts = _labels_seen(files, vocabulary, data) if len(counts) > 1 else counts
    advice = ["bring rows with other labels, or choose another column"]
    if spec.min_count > 1:
        advice.insert(
            0, f"lower vocabulary.min_count, which leaves out labels seen fewer than {spec.min_count:,} times"
        )
    if len(vocabulary) >= spec.labels:
        advice.insert(0, f"raise vocabulary.labels above {spec.labels:,}")
    where, unit = f"data.label: column {data.label!r}", "row"
    if data.shape == "sequence":
        unit = "label"
        where = f"data.inputs: column {data.inputs[0]!r}, whose tokens after the first are the labels,"
    return _class_faults(where, counts, unit, "; or ".join(advice))


def _class_faults(where: str, counts: Mapping[str, int], unit: str, advice: str) -> list[str]:
    if len(counts) > 1:
        return []
    if not counts:
        return [f"{where} has no class in the train split: there is nothing to learn. To go on, {advice}"]
    ((token, count),) = counts.items()
    shown = repr(token if len(token) <= _SHOWN else f"{token[:_SHOWN]}...")
    return [
        f"{where} has one class in the train split, {shown} ({count:,} {unit if count == 1 else unit + 's'}): there is "
        f"nothing to tell apart. To go on, {advice}"
    ]


def _no_number(key: str, column: str) -> str:
    return f"{key}: column {column!r} has no number in the train split: there is nothing to learn; choose another"


def _vocabulary(transform: tft.TFTransformOutput, name: str) -> Vocabulary:
    """Read a vocabulary, without the entry that tf.Transform writes into an empty file."""
    found = read_vocabulary(str(transform.vocabulary_file_by_name(name)))
    count, token = empty_file_line()
    empty = found.tokens == [tf.compat.as_str_any(token)] and found.counts.tolist() == [count]
    return Vocabulary([], np.zeros(0, np.int64)) if empty else found


def _counts(vocabulary: Vocabulary) -> dict[str, int]:
    return dict(zip(vocabulary.tokens, vocabulary.counts.tolist(), strict=True))


def _labels_seen(files: Sequence[str], vocabulary: Vocabulary, data: DataSpec) -> dict[str, int]:
    """Count how often each class is a label, up to the batch that contains the second class."""
    seen = np.zeros(len(vocabulary), np.int64)
    for ids in _batches(files, LABEL_IDS, _IDS):
        labels = ids[:, 1:] if data.shape == "sequence" else ids
        known = labels.values.numpy()
        seen += np.bincount(known[known >= 0], minlength=len(seen))
        if np.count_nonzero(seen) > 1:
            break
    return {vocabulary.tokens[i]: int(seen[i]) for i in np.flatnonzero(seen)}


def _can_validate(files: Sequence[str], data: DataSpec) -> bool:
    if data.label_kind == "number":
        return _has_number(files, LABEL_VALUE)
    features: dict[str, Any] = {LABEL_IDS: _IDS}
    if data.splits_positions:
        features[FIRST_LABEL] = tf.io.FixedLenFeature([], tf.int64)
    if data.baskets is not None:
        features[BASKET] = _IDS
    return any(np.any(_labels(columns, data) >= 0) for columns in _columns(files, features))


def _labels(columns: Mapping[str, Any], data: DataSpec) -> NDArray[np.int64]:
    """Return the ids of all labels of a batch, flat."""
    ids = columns[LABEL_IDS]
    if data.shape != "sequence":
        return ids.values.numpy()
    if data.baskets is not None:
        places = columns[BASKET].values  # Baskets are numbered as positions are.
    else:
        places = tf.range(tf.size(ids.values, tf.int64)) - tf.gather(ids.row_starts(), ids.value_rowids())
    first = tf.gather(columns[FIRST_LABEL], ids.value_rowids()) if FIRST_LABEL in columns else 1
    return tf.boolean_mask(ids.values, places >= first).numpy()


def _has_number(files: Sequence[str], column: str) -> bool:
    found: Iterator[NDArray[np.bool_]] = (
        ~np.isnan(values.numpy()) for values in _batches(files, column, tf.io.FixedLenFeature([], tf.float32))
    )
    return any(map(np.any, found))


def _has_weight(files: Sequence[str], data: DataSpec) -> bool:
    tokens = tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64)
    feature = tokens if data.shape == "sequence" else tf.io.FixedLenFeature([], tf.float32)
    found = _batches(files, WEIGHT, feature)
    return any(bool(tf.reduce_any((w.values if isinstance(w, tf.RaggedTensor) else w) > 0)) for w in found)


def _batches(files: Sequence[str], column: str, feature: Any) -> Iterator[Any]:
    """Yield the values of a column, a tensor for each batch of rows."""
    for columns in _columns(files, {column: feature}):
        yield columns[column]


def _columns(files: Sequence[str], features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the values of columns, tensors for each batch of rows."""
    for records in untuned(tf.data.TFRecordDataset([*files], "GZIP")).batch(_ROWS):
        yield tf.io.parse_example(records, features)
