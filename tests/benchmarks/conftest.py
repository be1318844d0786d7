"""The fixtures of the pipeline's tests that start the command line, and forks in place of the benchmarks' processes."""

from __future__ import annotations

import subprocess

import pytest

from tests.benchmarks.forked import popen_with
from tests.forks import ForkServer
from tests.pipeline.conftest import bigvocab

__all__ = ["bigvocab"]


@pytest.fixture
def forked(forks: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the processes of the benchmarks. `test_processes.py` starts real ones."""
    monkeypatch.setattr(subprocess, "Popen", popen_with(forks))
