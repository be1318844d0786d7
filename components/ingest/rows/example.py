"""Serialization of tf.Examples without TensorFlow, whose import takes longer than reading a hundred thousand rows.

The message types are those of `tf.train.Example`, in a separate descriptor pool, because TensorFlow adds its types to
the default pool.

Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from components.ingest.errors import RowError
from components.names import FIRST_LABEL

_TYPES = """
name: "components/ingest/rows/example.proto" package: "tensorflow" syntax: "proto3"
message_type {
  name: "BytesList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "FloatList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_FLOAT }
}
message_type {
  name: "Int64List"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
}
message_type {
  name: "Feature"
  field { name: "bytes_list" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".tensorflow.BytesList" }
  field { name: "float_list" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".tensorflow.FloatList" }
  field { name: "int64_list" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".tensorflow.Int64List" }
}
message_type {
  name: "Features"
  field {
    name: "feature" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".tensorflow.Features.FeatureEntry"
  }
  nested_type {
    name: "FeatureEntry"
    options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".tensorflow.Feature" }
  }
}
message_type {
  name: "Example"
  field { name: "features" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".tensorflow.Features" }
}
"""


def _example_type() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_TYPES, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))


_Example = _example_type()


def serialize(columns: Mapping[str, Sequence[str] | Sequence[float] | Sequence[int]]) -> bytes:
    """Return columns as a serialized tf.Example. Equal columns result in equal bytes.

    Args:
        columns: Texts or numbers, by name of the column. A column without values becomes an absent feature, because an
            empty list has no type. All numbers become floats, except for the integers of the feature `FIRST_LABEL`.

    Raises:
        RowError: A text cannot be written as UTF-8.
    """
    example = _Example()
    features = example.features.feature
    try:
        for name, values in columns.items():
            if not values:
                continue
            if isinstance(values[0], str):
                features[name].bytes_list.value.extend(map(str.encode, values))  # type: ignore[arg-type]
            elif name == FIRST_LABEL:
                features[name].int64_list.value.extend(values)  # type: ignore[arg-type]
            else:
                features[name].float_list.value.extend(values)
    except UnicodeEncodeError as error:
        raise RowError("not UTF-8", "the text holds half of a surrogate pair") from error
    return example.SerializeToString(deterministic=True)  # Sorts the features by name.
