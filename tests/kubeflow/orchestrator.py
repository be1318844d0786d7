"""Local orchestrator of the Kubeflow Pipelines SDK, with containers that the caller starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def start_containers_by(start: Callable[[str, list[str]], int], monkeypatch: pytest.MonkeyPatch, outputs: Path) -> None:
    """Let the orchestrator run each task of a pipeline by a function.

    The orchestrator provides the order of the tasks and the values of the placeholders in their commands. It ignores
    volumes, environment variables, secrets, GPUs and retries. A failed task fails the call of the pipeline.

    Args:
        start: Function that runs a command in a container of an image, and returns its exit code.
        monkeypatch: Undoes the change.
        outputs: Folder of the orchestrator.
    """
    from kfp import local
    from kfp.local import status
    from kfp.local.subprocess_task_handler import SubprocessTaskHandler

    def run(task: SubprocessTaskHandler) -> status.Status:
        code = start(task.image, task.full_command)
        return status.Status.FAILURE if code else status.Status.SUCCESS

    # The orchestrator would refuse containers and warn of images, because it runs tasks as processes.
    for check in ("validate_not_container_component", "validate_image"):
        monkeypatch.setattr(SubprocessTaskHandler, check, lambda *_: None)
    monkeypatch.setattr(SubprocessTaskHandler, "run", run)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(outputs), raise_on_error=True)
