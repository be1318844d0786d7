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

from components.compat.beam import OpenWorkerPool, pool_server
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
    server = pool_server(pool)
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


class Pool(OpenWorkerPool):
    """Beam's pool, which also says when a worker has died: an engine may wait for it for ever, and say nothing."""

    out: TextIO = sys.stderr

    def started(self, name: str, process: subprocess.Popen[bytes]) -> None:
        threading.Thread(target=self._watch, args=(name, process), daemon=True).start()

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        if code not in (0, -signal.SIGTERM):  # It was not told to end.
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.out.write(f"Beam's worker {name} died: {how}. The engine may wait for it: see what it wrote before.\n")
            self.out.flush()
