"""Tests of the assumptions of `components.compat.beam`, and of the need for it."""

from __future__ import annotations

import functools
import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions, WorkerOptions
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import statecache, worker_pool_main
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.transforms import core, userstate
from apache_beam.utils import thread_pool_executor
from objsize import traverse

from components.compat import beam_cache, beam_methods, beam_options
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


class Stateful(beam.DoFn):
    SEEN = userstate.ReadModifyWriteStateSpec("seen", VarIntCoder())

    def process(self, element: int, seen: Any = beam.DoFn.StateParam(SEEN)) -> None: ...  # noqa: B008


def test_the_state_of_a_dofn_is_that_which_beam_finds() -> None:
    of_object = Odd()
    of_object.process = Stateful().process  # pyright: ignore[reportAttributeAccessIssue]
    wrapper = core.CallableWrapperDoFn(lambda x: [x])
    for dofn in (Odd(), Stateful(), Derived(), of_object, wrapper, Odd()) * 2:  # The second time as kept.
        assert userstate.get_dofn_specs(dofn) == beam_methods.inspected_state(dofn)
    assert userstate.is_stateful_dofn(Stateful())
    assert userstate.is_stateful_dofn(of_object)
    assert not userstate.is_stateful_dofn(Odd())


def test_beam_looks_for_state_each_time() -> None:
    assert userstate.get_dofn_specs is beam_methods.state
    assert "get_dofn_specs(dofn)" in inspect.getsource(userstate.is_stateful_dofn)
    assert "for method_name in dir(dofn)" in inspect.getsource(beam_methods.inspected_state)


def test_the_size_of_a_value_is_that_which_beam_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imported_later", ModuleType("imported_later"))
    values = [b"x" * 1_000, [{"a": [1.5] * 30}], sys.modules["imported_later"].__dict__, {"of": vars(beam)}]
    kept = [statecache.get_deep_size(value) for value in values * 2]  # The second time as kept.
    monkeypatch.setattr(traverse, "_iter_modules_globals", beam_cache.listed)
    assert kept == [statecache.get_deep_size(value) for value in values * 2]
    assert kept[0] > 1_000


def test_objsize_lists_all_modules_for_each_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert traverse._iter_modules_globals is beam_cache.modules_globals
    calls = []
    monkeypatch.setattr(traverse, "_iter_modules_globals", lambda: calls.append(1) or beam_cache.listed())
    for _ in range(3):
        statecache.get_deep_size(b"x")
    assert len(calls) == 3


FLAGS = ["--experiments=one", "--experiments=two", "--streaming", "--num_workers=3", "--no_use_public_ips", "--odd=1"]


@pytest.mark.parametrize("flags", [FLAGS, []])
def test_a_view_of_options_has_the_values_of_beams_view(flags: list[str]) -> None:
    classes = PipelineOptions.__subclasses__()
    assert len(classes) > 10
    for cls in classes:
        for _ in range(2):  # The second time as kept.
            found, expected = PipelineOptions(flags).view_as(cls), beam_options.viewed(PipelineOptions(flags), cls)
            assert type(found) is cls
            assert found.get_all_options().keys() == expected.get_all_options().keys()
            assert str(found.get_all_options()) == str(expected.get_all_options())
            assert dir(found) == dir(expected)


def test_views_share_their_values_with_the_options_alone() -> None:
    first, second = PipelineOptions(FLAGS), PipelineOptions(FLAGS)
    view = first.view_as(StandardOptions)
    view.streaming = False
    first.view_as(DebugOptions).experiments.append("three")
    first.view_as(WorkerOptions).num_workers = 5
    assert first.view_as(StandardOptions).streaming is False
    assert view.view_as(DebugOptions).experiments == ["one", "two", "three"]
    assert (second.view_as(StandardOptions).streaming, second.view_as(WorkerOptions).num_workers) == (True, 3)
    assert second.view_as(DebugOptions).experiments == ["one", "two"]
    with pytest.raises(AttributeError):
        _ = view.num_workers


def test_beam_parses_the_flags_for_each_view() -> None:
    assert PipelineOptions.view_as is beam_options.view_as
    assert "view = cls(self._flags)" in inspect.getsource(beam_options.viewed)
    assert "parser.parse_known_args(flags)" in inspect.getsource(PipelineOptions.__init__)
