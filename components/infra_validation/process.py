"""Starts, watches and ends the model server of `server.py` as a child process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tfx.components.infra_validator import error_types
from tfx.components.infra_validator.model_server_runners import base_runner

from components.files import is_remote

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.05
_STOP_SECONDS = 5.0
_LOG_TAIL_BYTES = 16_384


class ChildProcessRunner(base_runner.BaseModelServerRunner):
    """A model server in a child process of its own, in place of a container.

    Args:
        model_path: directory of the SavedModel, on a file system that the child sees.
        threads: threads of the child's session.
        memory_mb: most private memory of the child in MiB; 0: no limit. A model that eats more fails, not the machine.
    """

    def __init__(self, model_path: str, threads: int = 1, memory_mb: int = 0) -> None:
        self._model_path = model_path
        self._threads = threads
        self._memory_mb = memory_mb
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    def __repr__(self) -> str:
        return f"ChildProcessRunner({self._model_path})"

    def GetEndpoint(self) -> str:
        """`host:port`. Raises AssertionError before the server runs."""
        assert self._port is not None, "the model server does not run yet"
        return f"127.0.0.1:{self._port}"

    def Start(self) -> None:
        """Starts the child and returns at once."""
        assert self._process is None, "a runner starts one server"
        self._directory = tempfile.TemporaryDirectory(prefix="bigvocab-model-server-")
        command = [sys.executable, "-m", "components.infra_validation.server"]
        model = self._model_path if is_remote(self._model_path) else str(Path(self._model_path).resolve())
        command += ["--model", model, "--port-file", str(self._port_file)]
        command += ["--threads", str(self._threads), "--memory-mb", str(self._memory_mb)]
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        # No GPU for the child: the process that trained may still hold all of its memory.
        environment = {**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "1"}
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def WaitUntilRunning(self, deadline: float) -> None:
        """Returns when the server listens; the model may still be loading.

        Args:
            deadline: seconds since the epoch.

        Raises:
            JobAborted: the child ended.
            DeadlineExceeded: the deadline passed.
        """
        assert self._process is not None, "Start() first"
        while time.time() < deadline:
            if self._port_file.exists():
                self._port = int(self._port_file.read_text(encoding="utf-8"))
                return
            if self._process.poll() is not None:
                raise error_types.JobAborted(f"the model server ended with {self._process.returncode} at its start")
            time.sleep(_POLL_SECONDS)
        raise error_types.DeadlineExceeded("the model server did not start in time")

    def Stop(self) -> None:
        """Ends the child and waits for its end. Raises nothing, may be called at any time."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._directory is not None:
            self._directory.cleanup()

    def GetLogs(self) -> str | None:
        """The end of what the child has printed."""
        if self._directory is None or not self._log_file.exists():
            return None
        return self._log_file.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", errors="replace")

    def exit_status(self) -> int | None:
        """How the child ended (negative: the signal), or None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def _port_file(self) -> Path:
        assert self._directory is not None
        return Path(self._directory.name, "port")

    @property
    def _log_file(self) -> Path:
        assert self._directory is not None
        return Path(self._directory.name, "log")
