"""Pool of Python workers for Beam engines that are not written in Python, for `bigvocab beam-workers`.

The workers of Beam's own pool do not load TFX. This pool starts the worker in `pipeline.beam.worker` instead, with the
flags that Beam passes to the executable in its containers.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

from components.compat.beam import OpenWorkerPool, pool_server
from pipeline.beam.worker import SCRIPT


def serve(host: str, port: int) -> None:
    """Start workers whenever an engine asks for them, until the process is interrupted.

    Args:
        host: Host to listen at. Anyone who can reach it can run code here, so only the engine should.
        port: Port to listen at. 0: any free port.

    Raises:
        OSError: The port is in use, or BigVocab is not installed beside this Python.
    """
    executable = Path(sys.executable).with_name(SCRIPT)
    if not executable.exists():
        raise OSError(f"{executable} does not exist: install BigVocab in the environment of this Python")
    pool = Pool(use_process=True, container_executable=str(executable))
    server = pool_server(pool)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise OSError(f"{host}:{port} cannot be listened on: {error}") from error
    server.start()
    sys.stdout.write(f"Beam workers are available at {host}:{bound}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    finally:
        server.stop(grace=None)
        pool.end()


class Pool(OpenWorkerPool):
    """Beam's pool of workers that also reports dead workers.

    An engine may wait for a dead worker forever without a message.

    Attributes:
        out: Stream for the reports.
    """

    out: TextIO = sys.stderr

    def started(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Watch the worker in a thread, and report if it dies without a request."""
        threading.Thread(target=self._watch, args=(name, process), daemon=True).start()

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code not in (0, -signal.SIGTERM):  # The end was not requested.
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.out.write(f"Beam's worker {name} died: {how}. The engine may wait for it: see what it wrote before.\n")
            self.out.flush()
