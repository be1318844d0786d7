"""Beam's Python workers: the pool that starts them, and the worker itself.

Reason: Beam's own pool starts workers that do not load TFX, listens on all addresses, and does not report dead
    workers. The classes behind it are not public.
Versions: Beam 2.73.
Remove when: Beam's pool accepts the worker's module and an address, and reports dead workers.
"""

from __future__ import annotations

import subprocess

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.sdk_worker import SdkHarness
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer, kill_process_gracefully
from apache_beam.utils import thread_pool_executor


class OpenWorkerPool(BeamFnExternalWorkerPoolServicer):
    """Beam's pool of worker processes, with a hook that is called for each started worker."""

    def started(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Handle the start of a worker. Subclasses override this method, which does nothing."""

    def end(self) -> None:
        """End all workers."""
        for process in self._worker_processes.values():
            kill_process_gracefully(process)

    def StartWorker(
        self, start_worker_request: beam_fn_api_pb2.StartWorkerRequest, unused_context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        """Start a worker as Beam does, then call `started` with its process."""
        answer = super().StartWorker(start_worker_request, unused_context)
        name = start_worker_request.worker_id
        process = self._worker_processes.get(name)
        if process is not None:
            self.started(name, process)
        return answer


def pool_server(pool: OpenWorkerPool) -> grpc.Server:
    """Return the gRPC server of a pool, not bound to an address yet. It accepts frequent pings from engines."""
    patient = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    calls = thread_pool_executor.shared_unbounded_instance()
    server = grpc.server(calls, options=patient)  # pyright: ignore[reportArgumentType]
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    return server


def work(control_endpoint: str, name: str, cache_bytes: int) -> None:
    """Execute the requests of an engine until it ends the connection.

    Args:
        control_endpoint: Control endpoint of the engine.
        name: Name of this worker.
        cache_bytes: Size in bytes of the cache that keeps side inputs and other state between two bundles.
    """
    SdkHarness(control_endpoint, worker_id=name, state_cache_size=cache_bytes, data_buffer_time_limit_ms=-1).run()
