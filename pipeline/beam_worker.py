"""Python workers for engines that are not Python: `bigvocab beam-workers`, and what it starts for each worker.

Beam's own pool starts workers that know nothing of TFX, and TFX has to be loaded before what it is made of: without it
`tensorflow_data_validation` finds a module missing. So the pool is told to start the worker here, by the flags that
Beam gives to what stands in its containers.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

SCRIPT = "bigvocab-beam-worker"


def serve(port: int) -> None:
    """Starts workers when an engine asks for them, for ever.

    Raises:
        OSError: the port is taken.
    """
    from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

    executable = Path(sys.executable).with_name(SCRIPT)
    if not executable.exists():
        raise OSError(f"{executable} is not there: BigVocab is not installed beside this Python")
    try:
        address, server = BeamFnExternalWorkerPoolServicer.start(
            use_process=True, port=port, container_executable=str(executable)
        )
    except RuntimeError as error:
        raise OSError(f"port {port} cannot be listened on: {error}") from error
    sys.stdout.write(f"Beam's workers are to be had at {address}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    finally:
        server.stop(grace=None)


def main(argv: Sequence[str] | None = None) -> None:
    """One worker: does what the engine asks until it is told to end."""
    parser = argparse.ArgumentParser(prog=SCRIPT)
    parser.add_argument("--id", required=True)
    parser.add_argument("--control_endpoint", required=True)
    told, _ = parser.parse_known_args(argv)
    # Nobody reads what the pool has put in standard output's place: a worker that prints would stop when it is full.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING)
    import tfx  # noqa: F401  before all that it is made of
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    SdkHarness(told.control_endpoint, worker_id=told.id, state_cache_size=_CACHE, data_buffer_time_limit_ms=-1).run()


# Bytes of side inputs and the like that a worker keeps between two bundles.
_CACHE = 100 << 20
