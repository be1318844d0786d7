"""Tests of the assumptions of `components.compat.tfx.bsl`, and of the need for it."""

from __future__ import annotations

import inspect

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.public import tfxio

from components.compat.tfx.bsl import ExamplesDecoder, OpenExampleRecord

SCHEMA = schema_pb2.Schema(
    feature=[schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in ("words", "party")]
)


def test_only_the_encoder_is_public() -> None:
    assert "RecordBatchToExamplesEncoder" in tfxio.__all__
    assert [name for name in tfxio.__all__ if "Decoder" in name] == ["TFGraphRecordDecoder"]


@pytest.mark.parametrize("schema", [None, SCHEMA.SerializeToString()])
def test_a_decoder_is_made_of_a_schema_or_of_none(schema: bytes | None) -> None:
    example = tf.train.Example(features=tf.train.Features(feature={"words": _bytes(b"the"), "party": _bytes(b"Whig")}))
    batch = ExamplesDecoder(schema).DecodeBatch([example.SerializeToString()])
    assert batch.to_pydict() == {"words": [[b"the"]], "party": [[b"Whig"]]}


@pytest.mark.parametrize(
    ("name", "arguments"), [("_GetSchemaForDecoding", ["self"]), ("_ProjectImpl", ["self", "tensor_names"])]
)
def test_the_schema_and_the_hook_of_fewer_columns_are_not_public(name: str, arguments: list[str]) -> None:
    assert list(inspect.signature(getattr(tfxio.TFExampleRecord, name)).parameters) == arguments
    assert not hasattr(tfxio.TFExampleRecord, name.lstrip("_"))


def test_a_source_of_fewer_columns_decodes_only_these() -> None:
    class Source(OpenExampleRecord):
        def with_schema(self, schema):
            return Source("", schema=schema)

    source = Source("", schema=SCHEMA)
    assert source.Project(["words"]).TensorRepresentations().keys() == {"words"}
    decoded = schema_pb2.Schema.FromString(source._ProjectImpl(["words"]).decoded_schema() or b"")
    assert [feature.name for feature in decoded.feature] == ["words"]
    assert Source("", schema=None).decoded_schema() is None


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
