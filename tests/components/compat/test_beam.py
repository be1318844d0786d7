"""Tests of the assumptions of `components.compat.beam`, and of the need for it."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import worker_pool_main
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.utils import thread_pool_executor

from components.compat.beam import OpenWorkerPool, pool_server

Stock = worker_pool_main.BeamFnExternalWorkerPoolServicer


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (Stock, "use_process container_executable"),
        (Stock.StartWorker, "start_worker_request unused_context"),
        (worker_pool_main.kill_process_gracefully, "proc"),
        (SdkHarness, "control_address worker_id state_cache_size data_buffer_time_limit_ms"),
        (thread_pool_executor.shared_unbounded_instance, ""),
    ],
)
def test_beam_has_the_parts_of_its_pool(function: Callable[..., Any], arguments: str) -> None:
    assert set(arguments.split()) <= set(inspect.signature(function).parameters)


def test_beams_own_pool_takes_no_address_and_no_module_and_does_not_watch_its_workers() -> None:
    assert not {"host", "address", "module"} & set(inspect.signature(Stock.start).parameters)
    source = inspect.getsource(Stock)
    assert "'[::]:%s' % port" in source
    assert "from apache_beam.runners.worker.sdk_worker" in source
    assert ".wait()" not in inspect.getsource(Stock.StartWorker)


def test_a_pool_tells_of_each_worker_and_ends_it(tmp_path: Path) -> None:
    seen: dict[str, subprocess.Popen[bytes]] = {}

    class Pool(OpenWorkerPool):
        def started(self, name: str, process: subprocess.Popen[bytes]) -> None:
            seen[name] = process

    worker = tmp_path / "worker"
    worker.write_text("#!/bin/sh\nexec sleep 1000\n")
    worker.chmod(0o755)
    pool = Pool(use_process=True, container_executable=str(worker))
    request = beam_fn_api_pb2.StartWorkerRequest(worker_id="one")
    answer = pool.StartWorker(request, None)
    assert answer.error == ""
    assert seen["one"].poll() is None
    pool.end()
    assert seen["one"].poll() == -15


def test_a_server_listens_at_one_address_alone() -> None:
    server = pool_server(OpenWorkerPool(use_process=True))
    assert server.add_insecure_port("127.0.0.1:0") > 0
    server.stop(None)
