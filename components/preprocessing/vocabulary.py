"""Reading the vocabulary files that Transform writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow_transform as tft

# Transform parts "count token" at the first space, so it writes a space inside a token as this.
SPACE = "__SPACE__"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, the most frequent first.

    Attributes:
        tokens: the token of each id, as in the data (spaces restored).
        counts: (size,) int64; occurrences in the train split.
    """

    tokens: list[str]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tokens)


def read_vocabulary(path: str | Path) -> Vocabulary:
    """Reads a file of "count token" lines; the line number, from 0, is the id.

    Raises:
        ValueError: a line is not of that form. Names file and line.
        OSError: the file cannot be read.
    """
    # Imported here: every command reads this module, and only those that read a vocabulary should pay for TensorFlow.
    import tensorflow as tf

    tokens: list[str] = []
    counts: list[int] = []
    with tf.io.gfile.GFile(str(path), "rb") as file:
        lines = file.read().decode("utf-8").split("\n")
    for number, line in enumerate(lines[:-1] if lines and not lines[-1] else lines, start=1):
        count, _, token = line.partition(" ")
        if not token or not count.isdigit():
            raise ValueError(f"{path}:{number}: expected 'count token', found {line[:80]!r}")
        tokens.append(token.replace(SPACE, " "))
        counts.append(int(count))
    return Vocabulary(tokens, np.asarray(counts, np.int64))


def vocabularies(transform_output: tft.TFTransformOutput) -> dict[str, Vocabulary]:
    """The vocabularies `inputs` and `labels` of a Transform output; without `labels` where the label is a number.

    Raises:
        ValueError: the output has no vocabulary of inputs, or a file is damaged.
    """
    files = {name: transform_output.vocabulary_file_by_name(name) for name in ("inputs", "labels")}
    if files["inputs"] is None:
        raise ValueError(f"{transform_output.transform_savedmodel_dir}: Transform wrote no vocabulary 'inputs'")
    return {name: read_vocabulary(file) for name, file in files.items() if file is not None}
