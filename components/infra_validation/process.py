"""Start, supervision and end of the child process of `trial.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import tensorflow as tf

from components.files import is_remote
from components.infra_validation import trial
from components.infra_validation.verdict import Verdict

SECONDS = 300.0
"""Time limit of the child, in seconds: to start, load the model and get its answers."""
_ROOT = Path(__file__).resolve().parents[2]
_LOG_TAIL_BYTES = 16_384


def try_in_child(model: str, records: Sequence[bytes], memory_mb: int) -> tuple[Verdict, str]:
    """Try a model in a child process, and return the verdict and the end of the child's log.

    The verdict is undecided, with a cause, if the child died or took too long.

    Args:
        model: Directory of the SavedModel, on a file system that the child sees.
        records: Serialized tf.Examples to send to the model; at least one.
        memory_mb: Limit of the child's private memory, in MiB.
    """
    with tempfile.TemporaryDirectory(prefix="bigvocab-infra-validation-") as folder:
        rows, verdict, log = (Path(folder, name) for name in ("rows", "verdict", "log"))
        with tf.io.TFRecordWriter(str(rows)) as writer:
            for record in records:
                writer.write(record)
        with log.open("wb") as file, start(model, rows, verdict, memory_mb, file) as process:
            try:
                code = process.wait(SECONDS)
                end = f"ended by signal {-code}" if code < 0 else f"ended with status {code}"
            except subprocess.TimeoutExpired:
                end = f"took longer than {SECONDS:g} s"
            finally:
                process.kill()
        found = Verdict.read(verdict)
        if found.ok is None:
            found = found.model_copy(update={"cause": f"{found.step}: the process that tries the model {end}"})
        return found, log.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", errors="replace")


def start(model: str, rows: Path, verdict: Path, memory_mb: int, log: BinaryIO) -> subprocess.Popen[bytes]:
    """Start a child process that tries a model, with the arguments of `trial.main`. Its output goes to `log`."""
    model = model if is_remote(model) else str(Path(model).resolve())
    command = [sys.executable, "-m", trial.__name__, model, str(rows), str(verdict), str(memory_mb)]
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    # No GPU for the child, because the process that trained may still hold all GPU memory.
    environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "1"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment)
