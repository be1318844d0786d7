"""Warm start of a training from an earlier model with other vocabularies.

A training writes the data that a later training needs to the folder `warm_start` beside its export:

    state.index, state.data-00000-of-00001   TensorFlow checkpoint of named tensors:
        weight/<path>                        best weights
        momentum/<path>, velocity/<path>     moments of the optimizer at the end of the training
        tokens/<vocabulary>                  strings, by id
    about.json                               "format": 1, and "weights": for each path its "vocabulary", or null, and
                                             "updates", its number of optimizer steps

The row of a token or an n-gram moves to the new id of that token or n-gram. A new token starts from the mean of the
rows of the rarest tenth of the old tokens, in the moments too. A new n-gram starts from the row that all n-grams
without their own row share. Rows after the tokens (out-of-vocabulary buckets, padding, unknown) stay. If the number of
buckets changes, each bucket is the mean of the old buckets. A weight without a vocabulary is taken if its shape is the
same.

If every trained weight is taken, the moments and the step counts are taken too. The optimizer then continues without a
break, but the schedule of the learning rate starts again. Otherwise the optimizer starts from scratch, because moments
need the correction for their own step count, and an optimizer has only one step count.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from components.compat.keras import moments
from components.messages.terminal import plain, table
from components.names import name_of, short
from components.preprocessing.vocabulary import category_file
from components.training.warm_start.vocabulary_rows import Rows

FOLDER = "warm_start"
FORMAT = 1
_MOMENTS = ("momentum", "velocity")


def tables(model: keras.Model) -> dict[str, str]:
    """Return the paths of the weights that have a row for each token, with the name of their vocabulary.

    Args:
        model: `VocabularyClassifier`.
    """
    found = {table.path: "inputs" for table in model.encoder.id_tables}
    found |= {table.path: name for name, table in model.encoder.own_tables.items()}
    for name, layer in {**model.encoder.categories, **model.encoder.token_categories}.items():
        found[layer.embeddings.path] = category_file(name_of(name))
    if model.label_features is not None:
        for name, weights in model.label_features.entry_tables.items():
            found |= {weight.path: label_feature_file(name) for weight in weights}
    for name, answer in model.answers.items():
        if hasattr(answer, "head"):
            vocabulary = "labels" if answer is model.label else category_file(name_of(name))
            weights = (None if answer.head.is_tied else answer.head.table, answer.head.bias)
            if answer.repeats is not None:
                weights += (answer.repeats.strengths, answer.repeats.decays)
            found |= {weight.path: vocabulary for weight in weights if weight is not None}
    return found


def label_feature_file(name: str) -> str:
    """Return the name of the vocabulary of a feature of the labels."""
    return f"label_feature_{short(name)}"


def write(
    directory: str, model: keras.Model, weights: Sequence[NDArray[Any]], vocabularies: Mapping[str, Sequence[str]]
) -> None:
    """Write the data from which a later training can start.

    Args:
        directory: Folder `warm_start`.
        model: Trained model, with its optimizer.
        weights: Best weights, in the order of the model's weights.
        vocabularies: Tokens of each vocabulary, by id.
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
    """Return the path of the folder `warm_start` beside an exported model."""
    return f"{serving_model.rstrip('/').rpartition('/')[0]}/{FOLDER}"


class Earlier:
    """Weights, moments and vocabularies that an earlier training wrote.

    Args:
        directory: Folder `warm_start` of the earlier training.

    Raises:
        FileNotFoundError: The folder does not exist or holds no `about.json`.
        ValueError: The folder has another format, or is damaged.
    """

    def __init__(self, directory: str) -> None:
        if not tf.io.gfile.exists(f"{directory}/about.json"):
            raise FileNotFoundError(f"{directory}/about.json is not there")
        with tf.io.gfile.GFile(f"{directory}/about.json") as file:
            text = file.read()
        try:
            about = json.loads(text)
            if about["format"] == FORMAT:
                self._about = about["weights"]
                self._reader = tf.compat.v1.train.NewCheckpointReader(f"{directory}/state")
        except (ValueError, TypeError, KeyError, RecursionError, tf.errors.OpError) as error:
            raise ValueError(f"{directory} is damaged ({error}): train without trainer.warm_start once") from error
        if about["format"] != FORMAT:
            raise ValueError(f"{directory}/about.json: format {about['format']}, and this version reads {FORMAT}")
        self._shapes = self._reader.get_variable_to_shape_map()

    def fault(self, variable: keras.Variable, vocabulary: str | None) -> str | None:
        """Return the reason why a weight cannot be taken, or None if it can."""
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
        """Return the mapping from the earlier rows of a weight to its rows.

        Args:
            variable: Weight.
            vocabulary: Name of the vocabulary of the weight.
            tokens: Tokens of the vocabulary, by id.
            own: Names of the vocabularies that belong to the encoder.
        """
        old = [bytes(token) for token in self._reader.get_tensor(f"tokens/{vocabulary}")]
        rows = self._shapes[f"weight/{variable.path}"][0]
        return Rows.between(old, rows, _bytes(tokens), variable.shape[0], new_from_last=vocabulary in own)

    def value(self, kind: str, path: str) -> NDArray[Any]:
        """Return a `weight`, its `momentum` or its `velocity`."""
        return self._reader.get_tensor(f"{kind}/{path}")

    def has_moments(self, path: str) -> bool:
        """Return True if the file has both moments of the weight at this path."""
        return all(f"{name}/{path}" in self._shapes for name in _MOMENTS)

    def updates(self, path: str) -> int:
        """Return the number of optimizer steps of a weight."""
        return self._about[path]["updates"]


def start_from(earlier: Earlier, model: keras.Model, vocabularies: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Assign the fitting weights of an earlier model to a model, and the moments to its optimizer.

    Args:
        earlier: Data of the earlier training.
        model: Built and compiled model.
        vocabularies: Tokens of each vocabulary, by id.

    Returns:
        Summary for `training.json`. `vocabularies`: numbers of tokens that `stayed`, `came` and `went`, for each
        vocabulary. `taken`: number of weights that were taken. `fresh`: a sentence for each weight that was not taken.
        `optimizer`: True if the optimizer continues.
    """
    of = tables(model)
    # The model has already set the weights that follow from the vocabularies and the data.
    decided = {v.path for v in model.lookup_weights}
    weights = [v for v in model.weights if v.path not in decided]
    faults = {v.path: earlier.fault(v, of.get(v.path)) for v in weights}
    taken = [v for v in weights if faults[v.path] is None]
    # Computed for each table: tables of one vocabulary may differ in the rows after its tokens.
    own = model.encoder.own_tables
    rows = {v.path: earlier.rows(v, of[v.path], vocabularies[of[v.path]], own) for v in taken if v.path in of}

    def carried(kind: str, path: str) -> NDArray[Any]:
        value = earlier.value(kind, path)
        return rows[path].of(value) if path in rows else value

    for variable in taken:
        variable.assign(carried("weight", variable.path))
    optimizers = [(optimizer, moments(optimizer)) for optimizer in _optimizers(model)]
    goes_on = all(faults[v.path] is None and earlier.has_moments(v.path) for v in model.trainable_variables)
    # An optimizer has only one step count, so it cannot continue with weights of different step counts.
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
    """Return lines of text that describe the result of `start_from`.

    Args:
        started: Result of `start_from`, with the name of the earlier model as `model`.
    """
    optimizer = "the optimizer goes on" if started["optimizer"] else "the optimizer starts anew"
    said = [f"warm start from model {started['model']}: {started['taken']} weights taken, {optimizer}"]
    moves = {"kept": "stayed", "new": "came", "removed": "went"}
    rows = [
        [f"  {n}", *(f"{counts[move]:,}" for move in moves.values())] for n, counts in started["vocabularies"].items()
    ]
    if rows:
        said += plain(table(rows, ("  tokens", *moves), least=8))
    return [*said, *(f"  not taken: {sentence}" for sentence in started["fresh"])]


def _optimizers(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    return [model.optimizer, *([model.update.shared_optimizer] if model.update is not None else [])]


def _bytes(tokens: Sequence[str]) -> list[bytes]:
    return [token.encode() for token in tokens]


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "a number"
