"""Beam's Python workers: the pool that starts them, and the worker itself.

Reason: Beam's own pool starts workers that know nothing of TFX, listens at all addresses, and does not say when a
    worker dies. The classes that it is made of are not public.
Versions: Beam 2.73.
Remove when: Beam's pool takes the worker's module and an address, and tells of workers that died.
"""

from __future__ import annotations

import subprocess

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer, kill_process_gracefully
from apache_beam.utils import thread_pool_executor


class OpenWorkerPool(BeamFnExternalWorkerPoolServicer):
    """Beam's pool of worker processes, whose subclasses learn of each that it starts."""

    def started(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Take notice of a worker that was started."""

    def end(self) -> None:
        """End all workers."""
        for process in self._worker_processes.values():
            kill_process_gracefully(process)

    def StartWorker(
        self, start_worker_request: beam_fn_api_pb2.StartWorkerRequest, unused_context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker like Beam, then call `started` with its process."""
        answer = super().StartWorker(start_worker_request, unused_context)
        name = start_worker_request.worker_id
        process = self._worker_processes.get(name)
        if process is not None:
            self.started(name, process)
        return answer


def pool_server(pool: OpenWorkerPool) -> grpc.Server:
    """Return a server of a pool, which listens nowhere yet. Engines that ask often for it are not turned away."""
    patient = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    calls = thread_pool_executor.shared_unbounded_instance()
    server = grpc.server(calls, options=patient)  # pyright: ignore[reportArgumentType]
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    return server


def work(control_endpoint: str, name: str, cache_bytes: int) -> None:
    """Do what an engine asks, until it says that this is the end.

    Args:
        control_endpoint: of the engine.
        name: of this worker.
        cache_bytes: of side inputs and the like that stay between two bundles.
    """
    SdkHarness(control_endpoint, worker_id=name, state_cache_size=cache_bytes, data_buffer_time_limit_ms=-1).run()
