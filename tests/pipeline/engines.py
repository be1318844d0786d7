"""Beam engines in separate processes, and a comparison of their outputs."""

from __future__ import annotations

import contextlib
import glob
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.files import matching
from tests.hosts import Host
from tests.pipeline.kubeflow.pods import Ended, Pods

NODES = ("ExampleGen", "ImportSchemaGen", "StatisticsGen", "Defaults", "ExampleValidator", "Transform")
"""The nodes that use Beam, and the nodes between them."""


@dataclass(frozen=True)
class Server:
    address: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def worker_pool(log: Path, host: Host | None = None) -> Iterator[Server]:
    """Start `bigvocab beam-workers`, on a host of the test or on this machine, and yield its address."""
    command = [str(Path(sys.executable).with_name("bigvocab")), "beam-workers", "--port", "0"]
    command = host.command(*command, "--host", host.address) if host else command
    with log.open("w") as said, _running(command, stdout=subprocess.PIPE, stderr=said) as pool:
        assert pool.stdout
        yield Server(pool.stdout.readline().split()[-1], pool)


@contextlib.contextmanager
def python_job_server(log: Path, host: Host | None = None) -> Iterator[Server]:
    """Start Beam's own job server in Python, on a host of the test or on this machine, and yield its address."""
    command = [sys.executable, "-m", "tests.pipeline.job_service"]
    command = host.command(*command) if host else command
    with log.open("a") as said, _running(command, stdout=subprocess.PIPE, stderr=said) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        assert port, log.read_text()
        yield Server(f"{host.address if host else 'localhost'}:{port}", server)


def transform(run: Pods, root: Path, *settings: str, nodes: Sequence[str] = NODES) -> None:
    """Run all nodes up to Transform as one run."""
    for node in nodes:
        ended = run(*node_of_run(node, root, *settings))
        assert ended.code == 0, ended.err


def node_of_run(node: str, root: Path, *settings: str) -> list[str]:
    """Return the command that runs one node, without `bigvocab`."""
    words = [word for setting in settings for word in ("--set", setting)]
    return ["run-node", node, "--root", str(root), "--run-id", "one", *words]


def wait_for_writing(node: str, root: Path, ended: Future[Ended]) -> None:
    """Wait until Beam writes files of a node, in the middle of its work."""
    while not glob.glob(f"{root}/artifacts/{node}/**/*beam-temp*", recursive=True, include_hidden=True):
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"the node ended before: {ended.result(timeout=0.05)}")


def causes(node: str, ended: Ended) -> list[str]:
    """Return the lines with the causes of a node's failure."""
    return re.findall(rf"^{node} failed\. (.+)$", ended.err, re.MULTILINE)


def assert_equal(one: Path, two: Path) -> None:
    """Check that two runs have equal vocabularies, numbers of records and rows, and one output per node."""
    assert _counted(one) == _counted(two)
    for name in ("inputs", "labels", "category_party"):
        assert _vocabulary(one, name) == _vocabulary(two, name), name
    for split in ("train", "eval"):
        raw = [sorted(record.numpy() for record in _records(root, "ExampleGen/examples", split)) for root in (one, two)]
        assert raw[0] == raw[1]
        rows = [_transformed(root, split) for root in (one, two)]
        assert len(rows[0]) == len(rows[1]) > 10
        for a, b in zip(*rows, strict=True):
            assert a[:-1] == b[:-1]
            # Moments are summed in another order.
            np.testing.assert_allclose(a[-1], b[-1], rtol=1e-5)


@contextlib.contextmanager
def _running(
    command: list[str], stdout: int | None = None, stderr: IO[str] | int | None = None
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, text=True, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _vocabulary(root: Path, name: str) -> str:
    graph = _only(root, "Transform/transform_graph")
    return Path(str(tft.TFTransformOutput(graph).vocabulary_file_by_name(name))).read_text()


def _counted(root: Path) -> dict[str, int]:
    """Return the number of rows in the statistics of each split."""
    found = {}
    for file in Path(_only(root, "StatisticsGen/statistics")).glob("Split-*/*"):
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
        found[file.parent.name] = statistics.datasets[0].num_examples
    assert min(found.values()) > 10
    return found


def _records(root: Path, of: str, split: str) -> tf.data.TFRecordDataset:
    return tf.data.TFRecordDataset(matching([f"{_only(root, of)}/Split-{split}/*"]), "GZIP")


def _only(root: Path, output: str) -> str:
    """Return the folder of an output that must exist once."""
    (folder,) = root.glob(f"artifacts/{output}/*")
    return str(folder)


def _transformed(root: Path, split: str) -> list[tuple]:
    """Return the ids of each row, with the number last. Sorted, because an engine does not keep the order."""
    found = []
    for record in _records(root, "Transform/transformed_examples", split):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        ids = tuple(tuple(features[name].int64_list.value) for name in sorted(features) if name != "year")
        found.append((*ids, tuple(features["year"].float_list.value)))
    return sorted(found)
