"""Runs of `bigvocab` with recorded or broken changes. Each function is called in a forked child process."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.faults import shim
from tests.faults.recording import events
from tests.faults.shim import Arms, Change
from tests.pipeline import commands

START, REPORT = "Start", "Report"
"""Parts of a run before its first node and after its last."""
_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_ROWS = 100


def recorded(root: str, records: str, snapshots: str, arguments: list[str]) -> int:
    """Run a command; record the changes of each part of the run, and copy the root at its beginning.

    Args:
        root: Root of the run.
        records: Folder for a record of each part.
        snapshots: Folder for a copy of the root for each part.
        arguments: Arguments of `bigvocab`.
    """

    def begins(part: str) -> None:
        shim.lay_down()
        if Path(root).exists():
            shutil.copytree(root, Path(snapshots, part), symlinks=True)
        else:
            Path(snapshots, part).mkdir()
        Arms(root, str(Path(records, part))).take()

    return _run(arguments, begins)


def struck(
    root: str, record: str, segment: str, name: str, nth: int, fault: str, part: int, arguments: list[str]
) -> int:
    """Run a command, and let one change of one part of the run fail.

    Args:
        root: Root of the run.
        record: File for the record of that part.
        segment: The part.
        name: Name of the change.
        nth: Number of the change among those of its name.
        fault: Kind of the fault.
        part: Thousandths of a torn write.
        arguments: Arguments of `bigvocab`.
    """

    def begins(begun: str) -> None:
        if begun == segment:
            Arms(root, record, Change(name, nth), fault, part).take()
        elif not any(event.fault for event in events(Path(record))):
            shim.lay_down()  # The change did not happen in its part. A full disk stays full in the parts after it.

    return _run(arguments, begins)


def undisturbed(arguments: list[str]) -> int:
    """Run a command."""
    os.setsid()
    return commands._main(arguments)  # pyright: ignore[reportPrivateUsage]


def answers(version: str, rows: str, to: str) -> None:
    """Write the hashes of the weights of a pushed model, and its answers to the first rows of a CSV file, as JSON.

    Args:
        version: Folder of the model.
        rows: CSV file.
        to: File to write.
    """
    import tensorflow as tf

    from bigvocab import load

    weights = tf.train.load_checkpoint(str(Path(version, "variables", "variables")))
    # The names hold numbers that vary from export to export.
    tensors = (
        np.asarray(weights.get_tensor(name)) for name in weights.get_variable_to_shape_map() if _GRAPH not in name
    )
    hashes = sorted(hashlib.sha256(f"{tensor.shape}".encode() + tensor.tobytes()).hexdigest() for tensor in tensors)
    with Path(rows).open(encoding="utf-8", newline="") as file:
        asked = [{**row, "year": float(row["year"])} for row in itertools.islice(csv.DictReader(file), _ROWS)]
    Path(to).write_text(json.dumps({"weights": hashes, "answers": load(version).predict(asked)}))


def _run(arguments: list[str], begins: Callable[[str], None]) -> int:
    """Run a command. Call a function with the name of each part of the run when the part begins."""
    os.setsid()  # A killed process group must not include the server.
    from pipeline.execution import node, results

    run_node, write_report = node.run_node, results.write_report

    def announced_node(pipeline, to_run, *rest, **named):  # type: ignore[no-untyped-def]
        begins(to_run.node_info.id)
        return run_node(pipeline, to_run, *rest, **named)

    def announced_report(*rest):  # type: ignore[no-untyped-def]
        begins(REPORT)
        return write_report(*rest)

    node.run_node, results.write_report = announced_node, announced_report
    begins(START)
    return commands._main(arguments)  # pyright: ignore[reportPrivateUsage]
