from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.forks import ForkServer
from tests.pipeline import commands

Bigvocab = Callable[..., subprocess.CompletedProcess[str]]
Ask = Callable[..., tuple[int, list[Any], str]]


@pytest.fixture(scope="session")
def bigvocab(forks: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Bigvocab:
    """Return a function that runs the command in a process forked from one that has imported the libraries."""

    def run(
        *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words, streams = [*map(str, arguments)], tmp_path_factory.mktemp("bigvocab")
        out, err = streams / "out", streams / "err"
        code = commands.run(forks, words, out, err, folder, environment)
        return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())

    return run


@pytest.fixture(scope="session")
def started_bigvocab() -> Bigvocab:
    """Return a function that runs the command as a user does, in a process that imports everything itself."""

    def run(
        *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pipeline.cli", *map(str, arguments)]
        variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **(environment or {})}
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.pipeline.cli.prediction import tiny_model  # Imported here, because not all tests need TensorFlow.

    return tiny_model.export(tmp_path_factory.mktemp("model") / "1")


@pytest.fixture
def ask_rows(tiny: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that runs `bigvocab predict --input FILE` and returns exit code, answers and standard error."""
    monkeypatch.chdir(tmp_path)

    def asked(file: str, content: str | bytes | None = None, *options: str) -> tuple[int, list[Any], str]:
        if content is not None:
            Path(file).write_bytes(content.encode() if isinstance(content, str) else content)
        capfd.readouterr()
        code = main(["predict", "--model", str(tiny), "--input", file, *options])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, [json.loads(line) for line in out.splitlines()], err

    return asked
