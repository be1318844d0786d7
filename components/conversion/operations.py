"""Forms in ONNX of operations that tf2onnx cannot convert: shifts and bits of int64, and a search in sorted numbers.

A handler gets the graph of tf2onnx and a node of TensorFlow, and replaces the node by nodes of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Handler = Callable[..., None]


def _bitwise(name: str) -> Handler:
    """Return the handler of an operation that ONNX has since version 18."""

    def handler(graph: Any, node: Any, _name: str, _args: Any) -> None:
        node.type, node.domain = name, ""

    return handler


def _right_shift(graph: Any, node: Any, name: str, _args: Any) -> None:
    """Replace an arithmetic shift of int64 by logical shifts of uint64, the only ones of ONNX.

    A negative number is inverted before and after the shift, so that no sign bit is shifted.
    """
    from onnx import TensorProto

    values, places = node.input
    zero = graph.make_const(f"{name}_zero", np.array(0, np.int64)).output[0]
    negative = _node(graph, "Less", [values, zero], TensorProto.BOOL)
    positive = _node(graph, "Where", [negative, _node(graph, "BitwiseNot", [values]), values], TensorProto.INT64)
    unsigned = [_node(graph, "Cast", [each], TensorProto.UINT64, to=TensorProto.UINT64) for each in (positive, places)]
    shifted = _node(graph, "BitShift", unsigned, TensorProto.UINT64, direction="RIGHT")
    signed = _node(graph, "Cast", [shifted], TensorProto.INT64, to=TensorProto.INT64)
    _replace(graph, node, "Where", [negative, _node(graph, "BitwiseNot", [signed]), signed])


def _lower_bound(graph: Any, node: Any, name: str, _args: Any) -> None:
    """Replace the search in one row of sorted numbers by a binary search of a fixed number of steps.

    Raises:
        ValueError: The sorted numbers are no constant row.
    """
    from onnx import TensorProto

    row, values = node.input
    shape = graph.get_shape(row)
    if shape is None or len(shape) != 2 or shape[0] != 1 or shape[1] < 1:
        raise ValueError("the search in sorted numbers has more than one row")
    size, number = shape[1], iter(range(1_000))

    def constant(value: Any) -> str:
        return graph.make_const(f"{name}_constant_{next(number)}", np.array(value, np.int64)).output[0]

    flat = _node(graph, "Reshape", [row, constant([-1])], graph.get_dtype(row))
    zero, last = constant(0), constant(size - 1)
    found = _node(graph, "Mul", [_node(graph, "Cast", [values], TensorProto.INT64, to=TensorProto.INT64), zero])
    step = 1 << (size.bit_length() - 1)
    while step:
        # The number of smaller values is at least `after` if the value before this place is smaller.
        after = _node(graph, "Add", [found, constant(step)], TensorProto.INT64)
        place = _node(graph, "Sub", [after, constant(1)], TensorProto.INT64)
        inside = _node(graph, "LessOrEqual", [place, last], TensorProto.BOOL)
        value = _node(
            graph, "Gather", [flat, _node(graph, "Min", [place, last], TensorProto.INT64)], graph.get_dtype(row)
        )
        smaller = _node(graph, "Less", [value, values], TensorProto.BOOL)
        both = _node(graph, "And", [inside, smaller], TensorProto.BOOL)
        found = _node(graph, "Where", [both, after, found], TensorProto.INT64)
        step >>= 1
    _replace(graph, node, "Cast", [found], to=graph.get_dtype(node.output[0]))


HANDLERS: dict[str, Handler] = {
    "BitwiseAnd": _bitwise("BitwiseAnd"),
    "BitwiseXor": _bitwise("BitwiseXor"),
    "RightShift": _right_shift,
    "LowerBound": _lower_bound,
}
"""Handlers by the name of the operation in TensorFlow."""


def _node(graph: Any, kind: str, inputs: list[str], dtype: int | None = None, **attributes: Any) -> str:
    """Add a node with one output, and return the name of the output.

    Args:
        graph: Graph of tf2onnx.
        kind: Operation of ONNX.
        inputs: Names of the inputs.
        dtype: Type of the output. None: that of the first input.
        **attributes: Attributes of the node.
    """
    types = [graph.get_dtype(inputs[0]) if dtype is None else dtype]
    return graph.make_node(kind, inputs, attr=attributes, dtypes=types, shapes=[graph.get_shape(inputs[0])]).output[0]


def _replace(graph: Any, node: Any, kind: str, inputs: list[str], **attributes: Any) -> None:
    """Replace a node by another one with the same output."""
    types, shapes = node.output_dtypes, node.output_shapes
    graph.remove_node(node.name)
    graph.make_node(kind, inputs, attr=attributes, name=node.name, outputs=node.output, dtypes=types, shapes=shapes)
