"""Source `tfrecord`: TFRecord files of tf.Examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from components.ingest.errors import BrokenFile, RowError
from components.ingest.sources.base import Lines, PathSpec, Range, Row, Rows, Source
from components.ingest.sources.files.opening import file_name, is_packed


class TfrecordSpec(PathSpec):
    """TFRecord files: each tf.Example makes one row."""

    kind: Literal["tfrecord"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Tfrecord(Source[TfrecordSpec]):
    """Source of tf.Examples. A file is one range, because the start of a record inside the file cannot be found."""

    Spec = TfrecordSpec
    endings = (".tfrecord", ".tfrecords")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the features of each tf.Example of a file."""
        # Imported here, because processes that read other kinds of files do not need these packages.
        import tensorflow as tf

        from components.compat.tensorflow import untuned

        compression = "GZIP" if is_packed(file_range.path) else ""
        number = 0
        try:
            records = untuned(tf.data.TFRecordDataset(file_range.path, compression))
            for batch in records.batch(1024).as_numpy_iterator():
                for record in batch:
                    number += 1
                    yield number, _from_example(record)
        except tf.errors.DataLossError as error:
            # The records after a damaged record cannot be found.
            reason = error.message.split("[", 1)[0].strip()
            raise BrokenFile(
                f"{file_range.path}: broken TFRecord behind record {number:,}: {reason}: copy or upload the file again"
            ) from error

    def takes(self, path: str) -> bool:
        """Return True also for the names of TFX's files, such as `data_tfrecord-00000-of-00001.gz`."""
        return self.named(path) or file_name(path)[1] == ".gz"


def _from_example(record: bytes) -> Row | RowError:
    import tensorflow as tf

    try:
        example = tf.train.Example.FromString(record)
    except Exception as error:  # Each implementation of protobuf defines DecodeError in a different module.
        return RowError("not a tf.Example", str(error))
    row: Row = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        if kind == "bytes_list":
            try:
                values = [v.decode() for v in values]
            except UnicodeDecodeError:
                return RowError("not UTF-8", f"feature '{name}' is not UTF-8 text")
        row[name] = values[0] if len(values) == 1 else values or None
    return row
