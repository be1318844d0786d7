"""Child process that tries a model: `python -m components.infra_validation.trial MODEL ROWS VERDICT MEMORY_MB`.

The process ends when its standard input is closed. The operating system closes it when the parent dies for any reason.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import components.compat.lazy  # noqa: F401  must precede TensorFlow

# isort: split
import tensorflow as tf

from components.infra_validation.answers import BrokenExport, Expected, check_answer
from components.infra_validation.requests import requests_of
from components.infra_validation.served import Served
from components.infra_validation.verdict import Verdict
from components.ingest.spec import DataSpec
from components.storage import storage_fault
from components.training.export import description


def try_model(model: str, records: Sequence[bytes], tell: Callable[[Verdict], None]) -> Verdict:
    """Load a model, send rows to it, check the answers and return the verdict.

    Args:
        model: Directory of the SavedModel.
        records: Serialized tf.Examples; at least one.
        tell: Function that is called with an undecided verdict before each step.
    """
    step = "loading the model"
    try:
        tell(Verdict(step=step))
        served, (expected, columns) = Served(model), _about(model)
        requests = requests_of(served.signatures, records, columns)
        for number, request in enumerate(requests, start=1):
            step = f"request {number} of {len(requests)}, signature '{request[0]}'"
            tell(Verdict(step=step))
            outputs = served.answer(request)
            check_answer(outputs, len(next(iter(request[1].values()))), expected)
            if not expected.number:
                expected = dataclasses.replace(expected, k=outputs["labels"].shape[1])
    except BrokenExport as broken:
        return Verdict(ok=False, cause=f"{step}: {broken}")
    except Exception as error:
        traceback.print_exc()
        fault = storage_fault(error, model)
        text = str(getattr(error, "message", error)).removeprefix("Graph execution error:")
        cause = str(fault or f"{step}: {type(error).__name__}: {text.strip()}")
        return Verdict(ok=False, cause=cause, is_of_storage=fault is not None)
    return Verdict(ok=True)


def main(model: str, rows: str, verdict: str, memory_mb: str) -> None:
    """Write the verdict on a model into a file.

    Args:
        model: Directory of the SavedModel.
        rows: TFRecord file of serialized tf.Examples.
        verdict: File for the verdict.
        memory_mb: Limit of the private memory, in MiB.
    """
    # RLIMIT_DATA, not RLIMIT_AS, so that mapped libraries and files do not count.
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory_mb) << 20, int(memory_mb) << 20))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    records: Any = list(tf.data.TFRecordDataset(rows).as_numpy_iterator())
    try_model(model, records, lambda step: step.write(verdict)).write(verdict)
    sys.stderr.flush()
    os._exit(0)  # Skips the shutdown of TensorFlow, whose faults do not matter.


def _about(model: str) -> tuple[Expected, set[str] | None]:
    """Return the expected outputs and the input columns of a model, as far as the export names them."""
    about = description.read_if_there(model)
    if about is None:
        return Expected(), None
    data = DataSpec.model_validate(about.data) if about.data else None
    columns = {*data.inputs, *data.features, *data.token_columns} if data else None
    independent = about.loss == "sigmoid"
    return Expected.of(about.top_k, data, independent), columns


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(65536):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
