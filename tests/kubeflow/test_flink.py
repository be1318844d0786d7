"""Beam on Flink: do versions, addresses and workers fit together?"""

from __future__ import annotations

import importlib.metadata
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubeflow.manifests import MANIFESTS, container_of, objects, of_kind, pods


def test_beam_the_job_server_and_flink_are_of_one_version() -> None:
    found = objects("overlays/flink")
    flink = of_kind(found, "FlinkDeployment")["bigvocab-flink"]["spec"]
    job_server = container_of("overlays/flink", "Deployment bigvocab-beam-jobs", "job-server")["image"]
    match = re.fullmatch(r"apache/beam_flink([\d.]+)_job_server:([\d.]+)", job_server)
    assert match
    assert match[2] == importlib.metadata.version("apache-beam")
    assert re.match(rf"flink:{re.escape(match[1])}\.", flink["image"])
    assert flink["flinkVersion"] == f"v{match[1].replace('.', '_')}"
    from apache_beam.options.pipeline_options import FlinkRunnerOptions

    assert match[1] in FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS


def test_workers_share_the_files_of_the_nodes() -> None:
    task_manager = next(one for one in pods(objects("overlays/flink")) if one.workload.endswith("taskManager"))
    for container in task_manager.containers:
        assert {"name": "data", "mountPath": "/data"} in container["volumeMounts"], container["name"]
    claims = [volume.get("persistentVolumeClaim") for volume in task_manager.spec["volumes"]]
    assert {"claimName": "bigvocab"} in claims


RUN = """
import sys, apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
with beam.Pipeline(options=PipelineOptions(sys.argv[2:])) as pipeline:
    rows = pipeline | beam.Create(["the state of the union", "of the"], reshuffle=False) | beam.FlatMap(str.split)
    counts = rows | beam.combiners.Count.PerElement() | beam.MapTuple(lambda word, count: f"{word} {count}")
    counts | beam.io.WriteToText(sys.argv[1], num_shards=1, shard_name_template="")
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def _options_of_the_comment() -> list[str]:
    """Those that components/flink/kustomization.yaml says nodes run with."""
    lines = (MANIFESTS / "components" / "flink" / "kustomization.yaml").read_text().splitlines()
    return [word for line in lines if line.startswith("#   --") for word in line.split()[1:]]


def test_nodes_ask_the_job_server_and_the_workers_where_they_are() -> None:
    options = dict(option.split("=", 1) for option in _options_of_the_comment())
    found = objects("overlays/flink")
    service, port = options["--job_endpoint"].split(":")
    ports = {one["name"]: one["port"] for one in of_kind(found, "Service")[service]["spec"]["ports"]}
    assert ports["grpc-jobs"] == int(port)
    workers = container_of("overlays/flink", "FlinkDeployment bigvocab-flink taskManager", "beam-workers")
    assert workers["args"] == [f"--service_port={options['--environment_config'].removeprefix('localhost:')}"]
    assert {one["containerPort"] for one in workers["ports"]} == {
        int(options["--environment_config"].removeprefix("localhost:"))
    }


@pytest.mark.slow
def test_beam_works_with_the_options_and_the_workers_of_the_manifests(tmp_path: Path) -> None:
    """With Beam's own job server in place of Flink's."""
    job_port, worker_port = _free_port(), _free_port()
    workers = container_of("overlays/flink", "FlinkDeployment bigvocab-flink taskManager", "beam-workers")
    python, *rest = [*workers["command"], *workers["args"]]
    assert python == "python"
    rest = [word.replace("50000", str(worker_port)) for word in rest]
    options = [
        option.replace("bigvocab-beam-jobs:8099", f"localhost:{job_port}").replace("50000", str(worker_port))
        for option in _options_of_the_comment()
    ]
    server = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", f"--port={job_port}"]
    # The workers start processes of their own, by the name `python`.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with (
        (tmp_path / "server.log").open("w") as server_log,
        (tmp_path / "workers.log").open("w") as workers_log,
        subprocess.Popen(server, stdout=server_log, stderr=server_log, cwd=tmp_path) as job_server,
        subprocess.Popen(
            [sys.executable, *rest], stdout=workers_log, stderr=workers_log, env=environment, cwd=tmp_path
        ) as pool,
    ):
        try:
            # Waits for both: clients of gRPC try again until somebody listens.
            done = subprocess.run(
                [sys.executable, "-c", RUN, str(tmp_path / "counts"), *options],
                capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path,
            )  # fmt: skip
        finally:
            pool.terminate()
            job_server.terminate()
    assert done.returncode == 0, done.stderr
    counts = dict(line.rsplit(" ", 1) for line in (tmp_path / "counts").read_text().splitlines())
    assert counts == {"the": "3", "state": "1", "of": "2", "union": "1"}
    assert "Starting worker with command" in (tmp_path / "workers.log").read_text()
