"""Tests of the containers' start commands, run here with other paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kubeflow.manifests import Object, container_of


def _sh(container: Object, places: dict[str, Path], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a container's script with its mount paths replaced by folders."""
    assert container["command"] == ["sh", "-c"]
    (script,) = container["args"]
    for mount, place in places.items():
        script = script.replace(f"{mount}/", f"{place}/").replace(f"={mount} ", f"={place} ")
    command = ["sh", "-c", script]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )


def _command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_tensorboard_sees_the_logs_of_every_pipeline_once(tmp_path: Path) -> None:
    data, logs, commands = (tmp_path / name for name in ("data", "logs", "bin"))
    for folder in (logs, commands):
        folder.mkdir()
    for pipeline in ("one", "two"):
        runs = data / "runs" / pipeline / "artifacts" / "Trainer" / "model_run"
        runs.mkdir(parents=True)
        (data / "runs" / pipeline / "tensorboard").symlink_to(runs.relative_to(data / "runs" / pipeline))
    (data / "runs" / "without_logs").mkdir()
    # Stubs: `sleep` ends the loop after one round, and `tensorboard` prints its arguments.
    _command(commands, "sleep", "exit 1")
    _command(commands, "tensorboard", 'echo "$@"')
    container = container_of("base", "Deployment bigvocab-tensorboard", "tensorboard")
    done = _sh(container, {"/data": data, "/logs": logs}, PATH=f"{commands}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert f"--logdir={logs}" in done.stdout
    assert "--host=0.0.0.0 --port=6006" in done.stdout
    assert {path.name: path.resolve() for path in logs.iterdir()} == {
        name: data / "runs" / name / "artifacts" / "Trainer" / "model_run" for name in ("one", "two")
    }


def test_tensorboard_finds_a_pipeline_that_comes_later(tmp_path: Path) -> None:
    data, logs, commands = (tmp_path / name for name in ("data", "logs", "bin"))
    for folder in (data / "runs", logs, commands):
        folder.mkdir(parents=True)
    # The first `sleep` creates the pipeline, and the second ends the loop.
    late = data / "runs" / "late" / "tensorboard"
    _command(commands, "sleep", f'[ ! -d "{late}" ] && mkdir -p "{late}"')
    _command(commands, "tensorboard", "while [ ! -e $(echo $1 | cut -d= -f2)/late ]; do :; done")
    container = container_of("base", "Deployment bigvocab-tensorboard", "tensorboard")
    done = _sh(container, {"/data": data, "/logs": logs}, PATH=f"{commands}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in logs.iterdir()] == ["late"]


def test_a_claim_that_can_be_written_is_found_in_order(tmp_path: Path) -> None:
    container = container_of("base", "Job bigvocab-claim", "write")
    assert _sh(container, {"/data": tmp_path}).returncode == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_claim_that_cannot_be_written_is_reported_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()  # The test may run as root, who can write to any folder.
    done = _sh(container_of("base", "Job bigvocab-claim", "write"), {"/data": tmp_path})
    assert done.returncode == 1
    assert "not writable by user 1000. On its server, run chown 1000:1000" in done.stderr


def test_mariadb_takes_its_arguments() -> None:
    server = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec")
    if server is None:
        pytest.skip("no MariaDB server here (Debian: apt-get install mariadb-server)")
    arguments = container_of("base", "StatefulSet bigvocab-metadata", "mariadb")["args"]
    done = subprocess.run(
        [server, "--no-defaults", *arguments, "--verbose", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "ERROR" in line or "unknown" in line.lower()]
    values = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if len(line.split(maxsplit=1)) == 2)
    assert values["character-set-server"].strip() == "utf8mb4"
    assert values["collation-server"].strip() == "utf8mb4_nopad_bin"
    assert values["max-connections"].strip() == "500"
    assert values.get("innodb-snapshot-isolation", "FALSE").strip() in ("FALSE", "OFF")
