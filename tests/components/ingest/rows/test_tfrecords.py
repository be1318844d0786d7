"""Tests of TFRecord files, which TensorFlow must read."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from components.ingest.rows.tfrecords import write_records


@pytest.mark.parametrize("count", [0, 1, 4_096, 10_000])
def test_tensorflow_reads_the_records(count: int, tmp_path: Path) -> None:
    records = [b"", b"\xff\x00", *(b"%d" % n * (n % 9) for n in range(count))][:count]
    for name in ("a", "b"):
        write_records(str(tmp_path / name), records)
    assert list(tf.data.TFRecordDataset(str(tmp_path / "a"), "GZIP").as_numpy_iterator()) == records
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
