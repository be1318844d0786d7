"""Loaded version of a pushed model."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import components.compat.lazy  # noqa: F401  must precede TensorFlow

# isort: split
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from numpy.typing import NDArray

from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.infra_validation.served import Served
from components.ingest.rows.columns import RowReader
from components.ingest.rows.example import serialize
from components.ingest.spec import DataSpec
from components.messages.exit_codes import FAILED
from components.preprocessing.vocabulary import Vocabulary, category_file, read_vocabulary
from components.serving.rest.errors import BAD_REQUEST, RequestError
from components.serving.rest.errors import FAILED as SERVER_ERROR
from components.serving.rest.inputs import Arrays
from components.serving.rest.signatures import COLUMNS, DEFAULT, PADDING, Signature

_WRONG_INPUT = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError, tf.errors.UnimplementedError)
"""Errors of TensorFlow whose cause is the request."""


class Model:
    """Loaded version of a pushed model, which answers requests until it is retired and its last request has ended.

    Args:
        folder: Folder of the version.
        threads: Number of threads of TensorFlow. None: the number of cores.

    Attributes:
        version: Number of the version.
        data: Data specification of the training, as rows of predictions are read.
        top_k: Number of labels in an answer; None if the label is a number.
        signatures: Signatures by name.

    Raises:
        PredictError: The folder holds no model of BigVocab, or the model cannot be loaded.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        about = PushedModel(folder)
        self.version = int(folder.name) if folder.name.isdecimal() else 1
        self.top_k = about.top_k
        # The events of a group are one row, and slices are no inputs.
        self.data: DataSpec = about.data.model_copy(update={"group_by": [], "order_by": None, "slices": []})
        self.read = RowReader(self.data, labelled=False)
        self._folder = folder
        self._vocabularies: dict[str, Vocabulary] = {}
        self._users, self._retired, self._lock = 0, False, threading.Lock()
        try:
            self._served = Served(str(folder), threads or len(os.sched_getaffinity(0)))
        except Exception as error:  # TensorFlow has many errors for a damaged file.
            raise PredictError(f"{folder}: the model cannot be loaded: {_reason(error)}", FAILED) from error
        definitions = self._served.signatures
        found = {name: Signature.of(name, definition) for name, definition in definitions.items()}
        self.signatures = {name: signature for name, signature in found.items() if signature.inputs}

    def warm(self) -> None:
        """Answer a row of real tokens by each signature for predictions, so that the first request does not wait.

        Raises:
            PredictError: The model does not answer.
        """
        try:
            for name, inputs in ((DEFAULT, self._first_example()), (COLUMNS, self._first_columns())):
                if name in self.signatures:
                    self.answer(name, inputs)
        except RequestError as error:
            raise PredictError(f"{self._folder}: the model does not answer: {error}", FAILED) from error

    def answer(self, signature: str, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return the outputs of a signature by name, (rows, ...) each.

        Args:
            signature: Name of the signature.
            inputs: Inputs by name, (rows,) or (rows, length) each.

        Raises:
            RequestError: TensorFlow refuses the inputs, or fails.
        """
        try:
            return self._served.answer((signature, dict(inputs)))
        except tf.errors.OpError as error:
            status = BAD_REQUEST if isinstance(error, _WRONG_INPUT) else SERVER_ERROR
            raise RequestError(_reason(error), status) from error
        except (ValueError, TypeError) as error:  # A shape that the signature does not have.
            raise RequestError(_reason(error)) from error

    def example(self, row: Mapping[str, Any]) -> bytes:
        """Return a row as a serialized tf.Example, the input of `serving_default`.

        Raises:
            RowError: A value is missing or of a wrong type.
            ShortRow: The row has no token.
        """
        return serialize(self.read(row))

    def vocabulary(self, column: str) -> Vocabulary | None:
        """Return the known values of a column, most frequent first; None if the column has no vocabulary."""
        known = self._vocabularies.get(column)
        if known is None and (file := self._vocabulary_file(column)) is not None:
            known = self._vocabularies[column] = read_vocabulary(file)
        return known

    def metadata(self) -> dict[str, Any]:
        """Return the signatures as JSON data, in the form of TensorFlow Serving."""
        return {
            name: json_format.MessageToDict(
                definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            for name, definition in self._served.signatures.items()
        }

    def enter(self) -> bool:
        """Count a request that uses the model. Return False if the model is retired."""
        with self._lock:
            self._users += not self._retired
            return not self._retired

    def leave(self) -> None:
        """End a request. The last one of a retired model frees its memory."""
        with self._lock:
            self._users -= 1
            done = self._retired and not self._users
        if done:
            self._served.close()

    def retire(self) -> None:
        """Accept no more requests, and free the memory after the last one."""
        with self._lock:
            done = not self._users and not self._retired
            self._retired = True
        if done:
            self._served.close()

    def _vocabulary_file(self, column: str) -> Path | None:
        assets = self._folder / "assets"
        if column in self.data.inputs:
            file = assets / "inputs"
        elif column in self.data.features and self.data.features[column].kind == "category":
            file = assets / category_file(column)
        else:
            return None
        return file if file.is_file() else None

    def _first_tokens(self) -> list[str]:
        known = self.vocabulary(self.data.inputs[0])
        return known.tokens[:2] if known else ["a"]

    def _first_example(self) -> Arrays:
        tokens = dict.fromkeys(self.data.inputs, self._first_tokens())
        inputs = self.signatures[DEFAULT].inputs if DEFAULT in self.signatures else ()
        return {name: np.array([serialize(tokens)], dtype=object) for name in inputs}

    def _first_columns(self) -> Arrays:
        tokens = [token.encode() for token in self._first_tokens()]
        found: Arrays = {}
        for name, given in self.signatures[COLUMNS].inputs.items() if COLUMNS in self.signatures else ():
            values = tokens if name in self.data.inputs else [PADDING[given.dtype]] * len(tokens)
            kind = object if given.dtype == "DT_STRING" else np.float32
            found[name] = np.array([values] if given.rank == 2 else values[:1], dtype=kind)
        return found


def _reason(error: Exception) -> str:
    """Return the first line of an error, without the names of graph nodes."""
    text = str(getattr(error, "message", None) or error).removeprefix("Graph execution error:").strip()
    if text.startswith("Could not parse example input"):
        return "an input is no serialized tf.Example"  # The message has its bytes.
    return text.partition("\n")[0].partition("\t [[")[0].strip() or type(error).__name__
