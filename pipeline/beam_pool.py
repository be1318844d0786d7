"""Starts Python workers for engines that are not Python: `bigvocab beam-workers`.

Beam's own pool starts workers that know nothing of TFX. So it is told to start the worker in `pipeline.beam_worker`, by
the flags that Beam gives to what stands in its containers.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

from pipeline.beam_worker import SCRIPT


def serve(port: int) -> None:
    """Starts workers when an engine asks for them, for ever.

    Raises:
        OSError: the port is taken.
    """
    executable = Path(sys.executable).with_name(SCRIPT)
    if not executable.exists():
        raise OSError(f"{executable} is not there: BigVocab is not installed beside this Python")
    try:
        address, server = Pool.start(use_process=True, port=port, container_executable=str(executable))
    except RuntimeError as error:
        raise OSError(f"port {port} cannot be listened on: {error}") from error
    sys.stdout.write(f"Beam's workers are to be had at {address}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    finally:
        server.stop(grace=None)


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

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code not in (0, -signal.SIGTERM):  # It was not told to end.
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.out.write(f"Beam's worker {name} died: {how}. The engine may wait for it: see what it wrote before.\n")
            self.out.flush()
