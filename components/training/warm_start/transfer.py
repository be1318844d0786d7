"""Starting a training from an earlier model, whose vocabularies were others.

Beside its export a training leaves what a later one needs, in the folder `warm_start`:

    state.index, state.data-00000-of-00001   a TensorFlow checkpoint of named tensors:
        weight/<path>                        the best weights
        momentum/<path>, velocity/<path>     the optimizer's moments at the end of the training
        tokens/<vocabulary>                  strings, by id
    about.json                               "format": 1, and "weights": for each path its "vocabulary", or null, and
                                             "updates", how many steps of the optimizer it had

A row that stands for a token, or for an n-gram, goes where that went. A token that is new starts from the mean of the
rarest tenth of the old ones, in the moments too; an n-gram from the row that all those without one of their own share.
Rows behind the tokens (out-of-vocabulary buckets, padding, unknown) stay; when there
are more or fewer buckets, each is the mean of the old ones. A weight without a vocabulary is taken if its shape is the
same. If every trained weight was taken, moments and counts of steps are too, so that the optimizer goes on as if it had
never stopped, with a learning rate that begins anew; else it starts from nothing, since moments need the correction
that belongs to their count of steps, and an optimizer has one such count.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from components.compat.keras import moments
from components.names import name_of
from components.preprocessing.vocabulary import category_file
from components.training.warm_start.vocabulary_rows import Rows

FOLDER = "warm_start"
FORMAT = 1
_MOMENTS = ("momentum", "velocity")


def tables(model: keras.Model) -> dict[str, str]:
    """Which weights have a row for each token, by path, with the vocabulary they follow.

    Args:
        model: a `VocabularyClassifier`.
    """
    found = {table.path: "inputs" for table in model.encoder.id_tables}
    found |= {table.path: name for name, table in model.encoder.own_tables.items()}
    for name, layer in model.encoder.categories.items():
        found[layer.embeddings.path] = category_file(name_of(name))
    for name, answer in model.answers.items():
        if hasattr(answer, "head"):
            vocabulary = "labels" if answer is model.label else category_file(name_of(name))
            found |= {answer.head.table.path: vocabulary, answer.head.bias.path: vocabulary}
    return found


def write(
    directory: str, model: keras.Model, weights: Sequence[NDArray[Any]], vocabularies: Mapping[str, Sequence[str]]
) -> None:
    """Leaves what a later training starts from.

    Args:
        directory: the folder `warm_start`.
        model: trained, with its optimizer.
        weights: the best ones, in the order of the model's.
        vocabularies: tokens by id.
    """
    of = tables(model)
    tensors: dict[str, Any] = {f"weight/{v.path}": value for v, value in zip(model.weights, weights, strict=True)}
    updates = dict.fromkeys((v.path for v in model.weights), 0)
    for optimizer in _optimizers(model):
        for path, of_weight in moments(optimizer).items():
            tensors |= {f"{name}/{path}": moment.value for name, moment in of_weight.items()}
            updates[path] = int(optimizer.iterations.numpy())
    tensors |= {f"tokens/{name}": tf.constant(_bytes(tokens), tf.string) for name, tokens in vocabularies.items()}
    tf.io.gfile.makedirs(directory)
    tf.raw_ops.SaveV2(
        prefix=f"{directory}/state",
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.convert_to_tensor(tensor) for tensor in tensors.values()],
    )
    about = {path: {"vocabulary": of.get(path), "updates": count} for path, count in updates.items()}
    with tf.io.gfile.GFile(f"{directory}/about.json", "w") as file:
        file.write(json.dumps({"format": FORMAT, "weights": about}, indent=1))


def beside(serving_model: str) -> str:
    """Where the folder of an exported model lies."""
    return f"{serving_model.rstrip('/').rpartition('/')[0]}/{FOLDER}"


class Earlier:
    """What an earlier training left.

    Args:
        directory: its folder `warm_start`.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is of another format.
    """

    def __init__(self, directory: str) -> None:
        if not tf.io.gfile.exists(f"{directory}/about.json"):
            raise FileNotFoundError(f"{directory}/about.json is not there")
        with tf.io.gfile.GFile(f"{directory}/about.json") as file:
            about = json.loads(file.read())
        if about["format"] != FORMAT:
            raise ValueError(f"{directory}/about.json: format {about['format']}, and this version reads {FORMAT}")
        self._about = about["weights"]
        self._reader = tf.compat.v1.train.NewCheckpointReader(f"{directory}/state")
        self._shapes = self._reader.get_variable_to_shape_map()

    def fault(self, variable: keras.Variable, vocabulary: str | None) -> str | None:
        """Why a weight cannot be taken; None if it can."""
        path, shape = variable.path, list(variable.shape)
        if path not in self._about:
            return f"{path}: not in the earlier model"
        old = self._shapes[f"weight/{path}"]
        if self._about[path]["vocabulary"] != vocabulary:
            return f"{path}: its rows stood for something else in the earlier model"
        if old[1:] != shape[1:] or (vocabulary is None and old != shape):
            return f"{path}: {_shape(old)} in the earlier model, {_shape(shape)} in this one"
        return None

    def rows(self, variable: keras.Variable, vocabulary: str, tokens: Sequence[str], own: Collection[str]) -> Rows:
        """How the rows of a weight follow from the earlier ones; `own`: the encoder's own vocabularies."""
        old = [bytes(token) for token in self._reader.get_tensor(f"tokens/{vocabulary}")]
        rows = self._shapes[f"weight/{variable.path}"][0]
        return Rows.between(old, rows, _bytes(tokens), variable.shape[0], new_from_last=vocabulary in own)

    def value(self, kind: str, path: str) -> NDArray[Any]:
        """A `weight`, its `momentum` or its `velocity`."""
        return self._reader.get_tensor(f"{kind}/{path}")

    def has_moments(self, path: str) -> bool:
        return all(f"{name}/{path}" in self._shapes for name in _MOMENTS)

    def updates(self, path: str) -> int:
        """Steps of the optimizer that the weight had."""
        return self._about[path]["updates"]


def start_from(earlier: Earlier, model: keras.Model, vocabularies: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Gives a model the weights of an earlier one, and its optimizer the moments, as far as they fit.

    Args:
        earlier: what that one left.
        model: built and compiled.
        vocabularies: tokens by id.

    Returns:
        For `training.json`: `vocabularies`, how many tokens of each `stayed`, `came` and `went`; `taken`, the number of
        weights that were; `fresh`, a sentence for each that was not; `optimizer`, whether it goes on.
    """
    of = tables(model)
    # What vocabularies and data decide is right already.
    decided = {v.path for v in model.encoder.lookup_weights}
    weights = [v for v in model.weights if v.path not in decided]
    faults = {v.path: earlier.fault(v, of.get(v.path)) for v in weights}
    taken = [v for v in weights if faults[v.path] is None]
    # Tables of one vocabulary may differ in the rows behind its tokens.
    own = model.encoder.own_tables
    rows = {v.path: earlier.rows(v, of[v.path], vocabularies[of[v.path]], own) for v in taken if v.path in of}

    def carried(kind: str, path: str) -> NDArray[Any]:
        value = earlier.value(kind, path)
        return rows[path].of(value) if path in rows else value

    for variable in taken:
        variable.assign(carried("weight", variable.path))
    optimizers = [(optimizer, moments(optimizer)) for optimizer in _optimizers(model)]
    goes_on = all(faults[v.path] is None and earlier.has_moments(v.path) for v in model.trainable_variables)
    # An optimizer has one count of steps: weights that had different ones cannot go on together.
    goes_on = goes_on and all(len({earlier.updates(path) for path in of_all}) == 1 for _, of_all in optimizers)
    for optimizer, of_all in optimizers if goes_on else []:
        for path, of_weight in of_all.items():
            for name, moment in of_weight.items():
                moment.assign(carried(name, path))
        optimizer.iterations.assign(earlier.updates(next(iter(of_all))))
    counts = {of[path]: {"stayed": r.stayed, "came": r.came, "went": r.went} for path, r in rows.items()}
    fresh = [fault for fault in faults.values() if fault is not None]
    return {"vocabularies": counts, "taken": len(taken), "fresh": fresh, "optimizer": goes_on}


def lines(started: Mapping[str, Any]) -> list[str]:
    """What `start_from` returned, for people."""
    optimizer = "the optimizer goes on" if started["optimizer"] else "the optimizer starts anew"
    said = [f"warm start from model {started['model']}: {started['taken']} weights taken, {optimizer}"]
    width = max(map(len, started["vocabularies"]), default=0) + 2
    if started["vocabularies"]:
        said.append(f"  {'tokens':<{width}}{'stayed':>10}{'came':>10}{'went':>10}")
    for name, counts in started["vocabularies"].items():
        said.append(f"  {name:<{width}}" + "".join(f"{counts[key]:>10,}" for key in ("stayed", "came", "went")))
    return [*said, *(f"  not taken: {sentence}" for sentence in started["fresh"])]


def _optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    return [model.optimizer, *([model.update.shared_optimizer] if model.update is not None else [])]


def _bytes(tokens: Sequence[str]) -> list[bytes]:
    return [token.encode() for token in tokens]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a number"
