"""Tests of the watch over a Beam engine, with a job server whose job never ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import apache_beam as beam
import grpc
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability import local_job_service

from pipeline.beam.engine import EngineLost, Watch
from pipeline.config.loading import load


class Waiting(local_job_service.BeamJob):
    """Job that waits for its end, which never comes."""

    def run(self) -> None:
        started.set()


started = threading.Event()


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, socket.socket]]:
    """Listen at a free port, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}", server


@pytest.fixture
def jobs() -> Iterator[tuple[str, local_job_service.LocalJobServicer]]:
    """Yield the address of a job server, and the server."""
    started.clear()
    server = local_job_service.LocalJobServicer(beam_job_type=Waiting)
    port = server.start_grpc_server()
    yield f"localhost:{port}", server
    server.stop()


def run(endpoint: str, pool: str) -> None:
    said = f"beam={{kind: portable, endpoint: '{endpoint}', worker_pool: '{pool}', timeout: 1}}"
    with beam.Pipeline(options=PipelineOptions(load(None, [said]).beam.arguments())) as pipeline:
        _ = pipeline | beam.Create([1])


def test_a_worker_pool_that_is_lost_ends_the_job(jobs: tuple[str, local_job_service.LocalJobServicer]) -> None:
    with listening() as (pool, server):
        threading.Thread(target=lambda: (server.accept(), started.wait(), server.close()), daemon=True).start()
        with pytest.raises(EngineLost, match=f"Beam's worker pool at {pool} has not answered for 1 s"):
            run(jobs[0], pool)
    (job,) = jobs[1]._jobs.values()
    assert job.state == beam_job_api_pb2.JobState.CANCELLED


def test_a_job_server_that_ends_is_an_error_of_its_own(
    jobs: tuple[str, local_job_service.LocalJobServicer],
) -> None:
    threading.Thread(target=lambda: (started.wait(), jobs[1]._server.stop(None)), daemon=True).start()
    with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
        run(jobs[0], "localhost:1")


def test_what_never_answered_is_not_watched() -> None:
    ended = threading.Event()
    with listening() as (address, server):
        addresses = {"worker pool": "localhost:1", "jobs": address}
        with Watch(addresses, 1, ended.set) as watch:
            server.accept()  # The pool was asked before.
            server.close()
            assert ended.wait(60)
    assert watch.lost.startswith("Beam's jobs at")
