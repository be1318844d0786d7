"""Starts Python workers for engines that are not Python: `bigvocab beam-workers`.

Beam's own pool starts workers that know nothing of TFX. So it is told to start the worker in `pipeline.beam.worker`, by
the flags that Beam gives to what stands in its containers.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer, kill_process_gracefully
from apache_beam.utils import thread_pool_executor

from pipeline.beam.worker import SCRIPT


def serve(host: str, port: int) -> None:
    """Starts workers when an engine asks for them, for ever.

    Args:
        host: to listen at. Who reaches it has code of their own run: it should be the engine alone.
        port: to listen at; 0: any that is free.

    Raises:
        OSError: the port is taken.
    """
    executable = Path(sys.executable).with_name(SCRIPT)
    if not executable.exists():
        raise OSError(f"{executable} is not there: BigVocab is not installed beside this Python")
    pool = Pool(use_process=True, container_executable=str(executable))
    # Beam's own start listens at all addresses. Engines that ask often whether it is there are not turned away.
    patient = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]
    calls = thread_pool_executor.shared_unbounded_instance()
    server = grpc.server(calls, options=patient)  # pyright: ignore[reportArgumentType]
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise OSError(f"{host}:{port} cannot be listened on: {error}") from error
    server.start()
    sys.stdout.write(f"Beam's workers are to be had at {host}:{bound}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    finally:
        server.stop(grace=None)
        pool.end()


class Pool(BeamFnExternalWorkerPoolServicer):
    """Beam's pool, which also says when a worker has died: an engine may wait for it for ever, and say nothing."""

    out: TextIO = sys.stderr

    def StartWorker(
        self, start_worker_request: beam_fn_api_pb2.StartWorkerRequest, unused_context: object
    ) -> beam_fn_api_pb2.StartWorkerResponse:
        answer = super().StartWorker(start_worker_request, unused_context)
        name = start_worker_request.worker_id
        process = self._worker_processes.get(name)
        if process is not None:
            threading.Thread(target=self._watch, args=(name, process), daemon=True).start()
        return answer

    def end(self) -> None:
        """Ends all workers."""
        for process in self._worker_processes.values():
            kill_process_gracefully(process)

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code not in (0, -signal.SIGTERM):  # It was not told to end.
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.out.write(f"Beam's worker {name} died: {how}. The engine may wait for it: see what it wrote before.\n")
            self.out.flush()
