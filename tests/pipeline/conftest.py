from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Bigvocab = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def bigvocab() -> Bigvocab:
    """Runs the command as a user does, in a process of its own."""

    def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return run
