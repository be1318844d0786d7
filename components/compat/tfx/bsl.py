"""tfx-bsl: the decoder of Examples, and a source of Examples with fewer columns.

Reason: `tfx_bsl.public` has the encoder, but its only decoder is part of a Beam pipeline. The schema of a
    `TFExampleRecord`, and the hook that creates a source of fewer columns, are not public.
Versions: tfx-bsl 1.21.
Remove when: `tfx_bsl.public` has the decoder, and a source that can be narrowed to some of its columns.
"""

from __future__ import annotations

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder
from tfx_bsl.public.tfxio import TFExampleRecord
from tfx_bsl.tfxio import tensor_representation_util

ExamplesDecoder = example_coder.ExamplesToRecordBatchDecoder
"""Decoder of serialized tf.Examples into record batches. Its argument is a serialized schema, or None."""


class OpenExampleRecord(TFExampleRecord):
    """Source of tf.Examples whose subclasses create the source of fewer columns."""

    def decoded_schema(self) -> bytes | None:
        """Return the serialized schema of the columns to decode, or None for the columns that the examples have."""
        schema = self._GetSchemaForDecoding()
        return schema.SerializeToString() if schema else None

    def with_schema(self, schema: schema_pb2.Schema) -> OpenExampleRecord:
        """Return the same source with another schema."""
        raise NotImplementedError

    def _ProjectImpl(self, tensor_names: list[str]) -> OpenExampleRecord:
        schema = tensor_representation_util.ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return self.with_schema(schema)
