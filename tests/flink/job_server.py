"""Beam's job server for a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer
from apache_beam.utils.subprocess_server import JavaHelper, pick_port

from tests.flink.cluster import JAVA_17, Cluster


@contextlib.contextmanager
def serving(jar: Path, cluster: Cluster) -> Iterator[str]:
    """Start the job server as Beam's `FlinkRunner` does, and yield its address.

    Raises:
        RuntimeError: The job server has ended at once.
    """
    (port,) = pick_port(None)
    java = [f"--job_server_java_launcher={JavaHelper.get_java()}"]
    java += [f"--job_server_jvm_properties={flag}" for flag in JAVA_17]
    server = FlinkJarJobServer(
        PipelineOptions(
            [f"--flink_master=http://{cluster.address}", f"--flink_job_server_jar={jar}", f"--job_port={port}", *java]
        )
    )
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop()
