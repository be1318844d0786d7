"""Arguments of an exported signature, with the names of the user's columns.

TensorFlow turns the names of the arguments into Python arguments and graph nodes. Therefore it cannot export a column
called `class`, `Viewed Item` or `columns`, nor two columns that differ only in case. In an exported SavedModel, the
name of an argument is free text. Such a column is exported as `column_<number>`, and renamed in the SavedModel.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from components.compat.tensorflow import change_saved_model

_GIVEN = "given"
"""Name of the only argument of the function behind a signature."""
_NUMBERED = "column_"


def by_name(answer: Callable[[dict[str, tf.Tensor]], Any], columns: Mapping[str, tf.TensorSpec]) -> Any:
    """Return a concrete function for `tf.saved_model.save`, whose arguments `name_arguments` completes.

    Args:
        answer: Function that takes the columns, by name.
        columns: Shape and type of each column.
    """
    names = plain_arguments(columns)
    specs = {argument: tf.TensorSpec(columns[n].shape, columns[n].dtype, argument) for argument, n in names.items()}
    function = tf.function(
        lambda given: answer({names[argument]: tensor for argument, tensor in given.items()}), autograph=False
    )
    return function.get_concrete_function(specs)


def name_arguments(directory: str, signature: str, columns: Iterable[str]) -> None:
    """Rename the arguments of a signature whose names differ from the names of their columns.

    Args:
        directory: Folder of the SavedModel.
        signature: Signature whose function `by_name` made.
        columns: Names of the columns, in the same order as in the call of `by_name`.
    """
    names = plain_arguments(columns)
    if all(argument == name for argument, name in names.items()):
        return

    def rename(model: Any) -> None:
        for graph in model.meta_graphs:
            # Model servers read these names.
            inputs = graph.signature_def[signature].inputs
            tensors = {name: inputs[argument].SerializeToString() for argument, name in names.items()}
            inputs.clear()
            for name, tensor in tensors.items():
                inputs[name].ParseFromString(tensor)
            # `tf.saved_model.load` reads these names.
            for node in graph.object_graph_def.nodes:
                function = node.bare_concrete_function
                if set(function.argument_keywords) == set(names):
                    function.argument_keywords[:] = [names[argument] for argument in function.argument_keywords]

    change_saved_model(directory, rename)


def plain_arguments(columns: Iterable[str]) -> dict[str, str]:
    """Return the name of each column, keyed by the name under which the column is exported."""
    names: dict[str, str] = {}
    taken = {_GIVEN}
    for number, name in enumerate(columns):
        plain = re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name)
        # Names in TensorFlow's graphs are case-insensitive: "Os" and "os" collide.
        if not plain or name.lower() in taken or name.lower().startswith(_NUMBERED):
            names[f"{_NUMBERED}{number}"] = name
        else:
            names[name] = name
            taken.add(name.lower())
    return names
