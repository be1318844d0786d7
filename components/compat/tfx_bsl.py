"""tfx-bsl: the decoder of Examples, and a source of Examples with fewer columns.

Reason: `tfx_bsl.public` has the encoder, but of decoders only one that is a part of a Beam pipeline. The schema of a
    `TFExampleRecord`, and the hook that makes one of fewer columns, are not public.
Versions: tfx-bsl 1.21.
Remove when: `tfx_bsl.public` has the decoder, and a source that can be narrowed.
"""

from __future__ import annotations

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder
from tfx_bsl.public.tfxio import TFExampleRecord
from tfx_bsl.tfxio import tensor_representation_util

ExamplesDecoder = example_coder.ExamplesToRecordBatchDecoder
"""Decoder from serialized tf.Examples to record batches, made of a serialized schema, or of None."""


class OpenExampleRecord(TFExampleRecord):
    """Source of tf.Examples whose subclasses make the source of fewer columns."""

    def decoded_schema(self) -> bytes | None:
        """Return the serialized schema of the columns to decode; None: those that the examples hold."""
        schema = self._GetSchemaForDecoding()
        return schema.SerializeToString() if schema else None

    def with_schema(self, schema: schema_pb2.Schema) -> OpenExampleRecord:
        """Return the same source with another schema."""
        raise NotImplementedError

    def _ProjectImpl(self, tensor_names: list[str]) -> OpenExampleRecord:
        schema = tensor_representation_util.ProjectTensorRepresentationsInSchema(self._schema, tensor_names)
        return self.with_schema(schema)
