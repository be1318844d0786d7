"""`bigvocab submit`: starts a run on a cluster through the API of Kubeflow Pipelines."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.spelling import did_you_mean
from pipeline.config.spec import Config
from pipeline.kubeflow import compile as kubeflow_compile


class SubmitError(Exception):
    """The run was not started."""


def submit(
    config: Config, name: str, experiment: str | None, settings: Sequence[str], dry_run: bool = False
) -> Iterator[str]:
    """Compiles the pipeline and starts it.

    Args:
        config: says where the cluster is: `kubeflow.host`, `namespace` and `service_account`.
        name: of the run; empty is the pipeline's name and the time.
        experiment: None is the pipeline's name.
        settings: `NAME=VALUE` for parameters of the pipeline.
        dry_run: say what would be sent, and send nothing.

    Yields:
        What was done, a line each.

    Raises:
        ConfigurationError: what would only fail in a pod.
        SubmitError: there is no such parameter, or the cluster did not take it.
    """
    name = name or f"{config.name} {datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        kubeflow_compile.compile_pipeline(config, file)
        about = kubeflow_compile.describe(file)
        arguments = {"run_name": name, **_parameters(settings, about["parameters"])}
        where = config.kubeflow.host or "the cluster that the environment names"
        request: dict[str, Any] = {
            "arguments": arguments,
            "run_name": name,
            "experiment_name": experiment or config.name,
            "namespace": config.kubeflow.namespace,
            "service_account": config.kubeflow.service_account,
            "enable_caching": False,
        }
        if dry_run:
            yield f"To {where}, {len(about['tasks'])} tasks: {', '.join(about['tasks'])}"
            for key, value in request.items():
                yield f"  {key:<16} {json.dumps(value)}"
            yield "Nothing was sent."
            return
        yield _start(config, file, request, where)


def _start(config: Config, file: Path, request: Mapping[str, Any], where: str) -> str:
    import kfp

    try:
        client = kfp.Client(host=config.kubeflow.host)
        run = client.create_run_from_pipeline_package(str(file), **request)
    except Exception as error:  # The SDK lets through what its HTTP, its Kubernetes and its token libraries raise.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SubmitError(f"{where} did not take the run: {reason[0]}") from error
    return f"Started: {request['run_name']}, run {run.run_id}"


def _parameters(settings: Sequence[str], known: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in known:
            near = did_you_mean(name, known) or f" (there are: {', '.join(known)})"
            raise SubmitError(f"--parameter {setting}: expected NAME=VALUE of the pipeline's parameters{near}")
        found[name] = value if name in ("data_path", "run_name") else _json(setting, value)
    return found


def _json(setting: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise SubmitError(f"--parameter {setting}: the value is not JSON") from error
