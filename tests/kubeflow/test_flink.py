"""Tests that versions, addresses and workers of Beam on Flink are consistent."""

from __future__ import annotations

import importlib.metadata
import re

from pipeline.config.loading import load
from pipeline.config.sections.beam import FlinkBeam, option_faults
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


def test_nodes_ask_the_job_server_and_the_workers_where_they_are() -> None:
    """Check the setting `beam` in the comment of components/flink/kustomization.yaml."""
    comment = (MANIFESTS / "components" / "flink" / "kustomization.yaml").read_text()
    said = re.search(r"^#   beam: (.*)$", comment, re.MULTILINE)
    assert said
    beam = load(None, [f"beam={said[1]}"]).beam
    assert isinstance(beam, FlinkBeam)
    assert option_faults(beam) == []
    found = objects("overlays/flink")
    service, port = str(beam.endpoint).split(":")
    ports = {one["name"]: one["port"] for one in of_kind(found, "Service")[service]["spec"]["ports"]}
    assert ports["grpc-jobs"] == int(port)
    workers = container_of("overlays/flink", "FlinkDeployment bigvocab-flink taskManager", "beam-workers")
    pool = beam.worker_pool.removeprefix("localhost:")
    assert [*workers["command"], *workers["args"]] == ["bigvocab", "beam-workers", f"--port={pool}", "--host=0.0.0.0"]
    assert {one["containerPort"] for one in workers["ports"]} == {int(pool)}
