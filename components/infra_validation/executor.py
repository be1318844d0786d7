"""Executor of the InfraValidator node."""

from __future__ import annotations

import itertools
import tempfile
import textwrap
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.evaluator import constants as evaluator_constants
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.compat.tfx.executors import mark_infra_blessing
from components.files import matching
from components.infra_validation.process import try_in_child
from components.infra_validation.verdict import Verdict
from components.storage import free_space, is_full, storage_fault

CAUSE_FILE = "cause.txt"
SPLIT, ROWS = "test", 10
_ROWS_READ = 10_000
_BASE_MEMORY_MB = 3_072
_MEMORY_PER_EXPORT_BYTE = 8
_CAUSE_CHARACTERS = 600


class NotTried(Exception):
    """Fault outside the model, in one sentence. The node fails, and can be run again."""


class InfraValidatorExecutor(base_executor.BaseExecutor):
    """Executor that blesses a model if a child process can load it and gets correct answers.

    TFX's executor starts a model server in a container, and does not read the answers. The blessing has the same files
    and properties as TFX's. The cause of a refusal is in the log, and in `cause.txt` beside `INFRA_NOT_BLESSED`.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Bless the model, or write the cause of the refusal.

        Args:
            input_dict: `model`; `examples`, with raw rows.
            output_dict: `blessing`.
            exec_properties: `code`, which is only for the cache key.

        Raises:
            NotTried: The model could not be tried for a reason outside the model, such as no rows or a full disk.
        """
        model, examples, blessing = (
            artifact_utils.get_single_instance(artifacts)
            for artifacts in (input_dict["model"], input_dict["examples"], output_dict["blessing"])
        )
        blessing.set_string_custom_property(evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
        path = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        cause = _refusal(path, _rows(examples))
        mark_infra_blessing(blessing, is_blessed=cause is None)
        if cause is None:
            return
        logging.error("%s", cause)
        with fileio.open(f"{blessing.uri}/{CAUSE_FILE}", "w") as file:
            file.write(cause)


def read_cause(blessing_uri: str) -> str | None:
    """Return the cause of a refusal in one sentence, or None for a blessed model."""
    path = f"{blessing_uri}/{CAUSE_FILE}"
    if not fileio.exists(path):
        return None
    with fileio.open(path, "r") as file:
        return str(file.read()).splitlines()[0]


def _rows(examples: types.Artifact) -> list[bytes]:
    """Return serialized tf.Examples, evenly spaced in the first rows of the split."""
    files = matching(examples_utils.get_split_file_patterns([examples], SPLIT))
    records: Any = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator() if files else []
    found = list(itertools.islice(records, _ROWS_READ))
    if not found:
        raise NotTried(f"the examples have no rows in split '{SPLIT}': {examples.uri}")
    count = min(ROWS, len(found))
    return [found[number * len(found) // count] for number in range(count)]


def _refusal(model: str, records: list[bytes]) -> str | None:
    """Return the cause of a refusal and, after a blank line, the end of the child's log. None: the model is good."""
    files = [f"{folder}/{name}" for folder, _, names in fileio.walk(model) for name in names]
    export_bytes = sum(tf.io.gfile.stat(file).length for file in files)
    memory_mb = _BASE_MEMORY_MB + (_MEMORY_PER_EXPORT_BYTE * export_bytes >> 20)
    verdict, log = _tried(model, records, memory_mb)
    if verdict.ok is None:
        logging.error("%s\n%s", verdict.cause, log)
        verdict, log = _tried(model, records, memory_mb)
    if verdict.ok:
        return None
    cause = textwrap.shorten(verdict.cause, _CAUSE_CHARACTERS, placeholder=" ...")
    return f"{cause}\n\nThe log of the process that tried the model ends with:\n{log}\n" if log else f"{cause}\n"


def _tried(model: str, records: list[bytes], memory_mb: int) -> tuple[Verdict, str]:
    """Try the model in a child process, and return the verdict and the end of the child's log.

    Raises:
        NotTried: The child failed because of a file system fault.
    """
    verdict, log = try_in_child(model, records, memory_mb)
    fault: object = verdict.cause if verdict.is_of_storage else None
    if verdict.ok is None:
        place = tempfile.gettempdir()  # The child writes its verdict and its log there.
        fault = storage_fault(log, place) or (f"{place} is full: {free_space(place)}" if is_full(place) else None)
    if fault:
        raise NotTried(f"cannot try the model: {fault}")
    return verdict, log
