"""Arguments of an exported signature that have the names of the user's columns.

TensorFlow makes arguments of Python's, and nodes of a graph, of the names: a column called `class`, `Viewed Item` or
`columns`, or two that differ in case alone, cannot be exported. In what was exported, an argument's name is a text. So
such a column is exported as `column_<number>`, and gets its name there.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from components.compat.tensorflow import change_saved_model

_GIVEN = "given"
"""The only argument of the function behind a signature."""
_NUMBERED = "column_"


def by_name(answer: Callable[[dict[str, tf.Tensor]], Any], columns: Mapping[str, tf.TensorSpec]) -> Any:
    """Return a traced `tf.function` for `ExportArchive.add_endpoint`, whose arguments `name_arguments` completes.

    Args:
        answer: called with the columns by their names.
        columns: shape and type of each.
    """
    names = _arguments(columns)
    specs = {argument: tf.TensorSpec(columns[n].shape, columns[n].dtype, argument) for argument, n in names.items()}
    function = tf.function(lambda given: answer({names[argument]: tensor for argument, tensor in given.items()}))
    function.get_concrete_function(specs)
    return function


def name_arguments(directory: str, signature: str, columns: Iterable[str]) -> None:
    """Give the arguments of a signature the columns' names, where they have not.

    Args:
        directory: of the SavedModel.
        signature: exported from `by_name`.
        columns: their names, in the order that `by_name` had.
    """
    names = _arguments(columns)
    if all(argument == name for argument, name in names.items()):
        return

    def rename(model: Any) -> None:
        for graph in model.meta_graphs:
            # For model servers.
            inputs = graph.signature_def[signature].inputs
            tensors = {name: inputs[argument].SerializeToString() for argument, name in names.items()}
            inputs.clear()
            for name, tensor in tensors.items():
                inputs[name].ParseFromString(tensor)
            # For `tf.saved_model.load`.
            for node in graph.object_graph_def.nodes:
                function = node.bare_concrete_function
                if set(function.argument_keywords) == set(names):
                    function.argument_keywords[:] = [names[argument] for argument in function.argument_keywords]

    change_saved_model(directory, rename)


def _arguments(columns: Iterable[str]) -> dict[str, str]:
    """Return each column's name by the name it is exported with."""
    names: dict[str, str] = {}
    taken = {_GIVEN}
    for number, name in enumerate(columns):
        plain = re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name)
        # TensorFlow's graphs do not tell "Os" from "os".
        if not plain or name.lower() in taken or name.lower().startswith(_NUMBERED):
            names[f"{_NUMBERED}{number}"] = name
        else:
            names[name] = name
            taken.add(name.lower())
    return names
