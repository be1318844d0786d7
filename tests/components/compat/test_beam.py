"""Tests of the assumptions of `components.compat.beam`, and of the need for it."""

from __future__ import annotations

import functools
import inspect
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import worker_pool_main
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.transforms import core
from apache_beam.utils import thread_pool_executor

from components.compat import beam_methods
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


class Odd(beam.DoFn):
    """DoFn with each kind of method."""

    def process(
        self, element: int, *rest: int, window: Any = beam.DoFn.WindowParam, scale: int = 2, **more: int
    ) -> None:
        del element, rest, window, scale, more

    @classmethod
    def of_class(cls, one: int, two: int = 2) -> None: ...

    @staticmethod
    def static(one: int, two: int = 3) -> None: ...

    @functools.wraps(process)
    def wrapped(self, *arguments: int) -> None: ...


class Derived(Odd):
    def process(self, element: int, other: int = 5) -> None: ...  # pyright: ignore[reportIncompatibleMethodOverride]


@pytest.mark.parametrize("dofn", [Odd(), Derived(), beam.DoFn(), core.CallableWrapperDoFn(lambda x, y=1: [x, y])])
def test_the_parameters_of_methods_are_those_that_beam_finds(dofn: beam.DoFn) -> None:
    methods = {name: getattr(dofn, name) for name in dir(dofn) if callable(getattr(dofn, name))}
    assert len(methods) > 25
    for name, method in methods.items():
        if not isinstance(method, type):
            for _ in range(2):  # The second time as kept.
                names, defaults = core.get_function_args_defaults(method)
                assert (names, defaults) == beam_methods.inspected(method), name
                names.append("changed by the caller")


def test_beam_inspects_a_method_each_time() -> None:
    assert core.get_function_args_defaults is beam_methods.parameters
    source = inspect.getsource(beam_methods.inspected)
    assert "signature = get_signature(f)" in source
    assert "cache" not in source
    assert "get_function_args_defaults(f)" in inspect.getsource(core.get_function_arguments)
