"""Vectors of the inputs and of the labels for TensorBoard's projector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.messages.formatting import printable

ROWS = 10_000
"""Vectors of a table that are written, the most frequent first. The projector itself reads no more than this for t-SNE
and UMAP."""


@dataclass(frozen=True)
class Table:
    """Vectors with their names.

    Attributes:
        name: Name of the table.
        vectors: (rows, width) float32.
        tokens: Token of each row.
        counts: Occurrences of each token in the train split.
        columns: Further columns, one text per row, by name.
    """

    name: str
    vectors: NDArray[np.float32]
    tokens: Sequence[str]
    counts: Sequence[int]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


def write_projector(directory: str, tables: Sequence[Table]) -> None:
    """Write the vectors, their names and the configuration of the projector.

    Args:
        directory: Folder of the run. The files of each table are `<name>.bytes`, float32 in the order of the rows, and
            `<name>.tsv` with the tokens, counts and further columns.
        tables: Tables. At most `ROWS` rows of each are written.
    """
    from tensorboard.plugins import projector

    config = projector.ProjectorConfig()
    for table in tables:
        vectors = np.ascontiguousarray(table.vectors[:ROWS], np.dtype("<f4"))
        with tf.io.gfile.GFile(f"{directory}/{table.name}.bytes", "wb") as file:
            file.write(_not_text(vectors))
        with tf.io.gfile.GFile(f"{directory}/{table.name}.tsv", "w") as file:
            file.write(_names(table))
        entry = config.embeddings.add()
        entry.tensor_name, entry.tensor_path = table.name, f"{table.name}.bytes"
        entry.metadata_path = f"{table.name}.tsv"
        entry.tensor_shape.extend(vectors.shape)
    projector.visualize_embeddings(directory, config)


def _not_text(vectors: NDArray[np.float32]) -> bytes:
    """Return the bytes of the vectors, with a first byte that no UTF-8 text has.

    TensorBoard first reads each file as text, and takes it as binary only if the first line is not UTF-8. It fails if
    the bytes before the first 10 happen to be ASCII. The changed byte is the lowest of the first number, which changes
    by less than 1 in 65,000.
    """
    data = bytearray(vectors.tobytes())
    if data:
        data[0] |= 0x80
        data[0] &= 0xBF
    return bytes(data)


def _names(table: Table) -> str:
    """Return the lines of the metadata, the first with the names of the columns."""
    columns = {"token": table.tokens, "count": [str(int(count)) for count in table.counts], **table.columns}
    rows = [list(columns), *zip(*(values[:ROWS] for values in columns.values()), strict=True)]
    return "".join("\t".join(printable(cell) or '""' for cell in row) + "\n" for row in rows)
