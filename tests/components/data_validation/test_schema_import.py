"""Tests of the imported schema: the curated file, and the pipeline's own features beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.data_validation.schema_import import Executor, SchemaImporter
from components.names import FIRST_LABEL

CURATED = '# Comment.\nfeature { name: "words" type: BYTES value_count { min: 2 } }\n'


@pytest.mark.parametrize("splits_positions", [False, True])
def test_own_features_are_added_only_where_rows_have_them(tmp_path: Path, splits_positions: bool) -> None:
    file, artifact = tmp_path / "mine.pbtxt", standard_artifacts.Schema()
    file.write_text(CURATED)
    artifact.uri = str(tmp_path / "schema")
    properties = dict(SchemaImporter(str(file), splits_positions).exec_properties)
    Executor().Do({}, {"schema": [artifact]}, properties)
    text = (tmp_path / "schema" / "schema.pbtxt").read_text()
    if not splits_positions:
        assert text == CURATED
        return
    words, first_label = text_format.Parse(text, schema_pb2.Schema()).feature
    assert words.name == "words"
    assert (first_label.name, first_label.type) == (FIRST_LABEL, schema_pb2.INT)
    assert file.read_text() == CURATED
