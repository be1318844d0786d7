"""Beam's own job server in Python, at an address that other hosts reach.

python -m tests.pipeline.job_service
"""

from __future__ import annotations

import socket
import threading

from apache_beam.runners.portability.local_job_service import LocalJobServicer


class Servicer(LocalJobServicer):
    """Job server that announces itself under the host name."""

    def get_bind_address(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return "[::]"

    def get_service_address(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return socket.gethostname()


if __name__ == "__main__":
    print(Servicer().start_grpc_server(), flush=True)
    threading.Event().wait()
