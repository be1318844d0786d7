"""Real rows, with which a converted model is compared."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.conversion.errors import ConversionError
from components.conversion.model import VectorModel
from components.inference.rows.questions import Questions

ROWS = 200
"""Rows of a comparison, at most."""
_OF_TEST = "artifacts/ExampleGen/examples"


def rows_of(model: VectorModel, file: str | None) -> tuple[Sequence[bytes], str]:
    """Return serialized tf.Examples and their origin, in words.

    Args:
        model: Model that the rows are for.
        file: File of rows, as for `bigvocab predict --input`. None: the test split of the run that pushed the model.

    Raises:
        ConversionError: There are no rows.
        PredictError: The file cannot be read.
    """
    if file is not None:
        questions = Questions(model.pushed.data, lambda line: print(line, file=sys.stderr)).of_file(file, "--rows ")
        found = list(itertools.islice((each.example for each in questions if each.example is not None), ROWS))
        origin = file
    else:
        root, origin = model.folder.resolve().parent.parent, "the test split"
        spans = sorted((root / _OF_TEST).glob("*/Split-test"), key=lambda path: int(path.parent.name))
        files = sorted(str(path) for path in spans[-1].glob("*.gz")) if spans else []
        records: Any = tf.data.TFRecordDataset(files, "GZIP").take(ROWS).as_numpy_iterator() if files else []
        found = list(records)
    if not found:
        missing = f"{file} has no usable row" if file else f"{model.folder} is in no run with a test split"
        raise ConversionError(f"{missing}: name a file of rows to compare the answers with, as in --rows FILE.jsonl")
    return found, origin
