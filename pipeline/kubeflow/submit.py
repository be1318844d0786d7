"""Start of runs on a cluster through the API of Kubeflow Pipelines, for `bigvocab submit`."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.messages.redaction import secret_of
from components.messages.spelling import did_you_mean
from pipeline.config.spec import Config
from pipeline.kubeflow import compile as kubeflow_compile


class SubmitError(Exception):
    """Failure to start a run."""


def submit(
    config: Config, name: str, experiment: str | None, settings: Sequence[str], dry_run: bool = False
) -> Iterator[str]:
    """Compile the pipeline and start it.

    Args:
        config: Configuration. Its `kubeflow.host`, `namespace` and `service_account` define the cluster.
        name: Name of the run. Empty: the name of the pipeline and the time.
        experiment: Name of the experiment. None: the name of the pipeline.
        settings: Parameters of the pipeline, each as `NAME=VALUE`.
        dry_run: Show the request without sending it.

    Yields:
        A line for each action.

    Raises:
        ConfigurationError: The configuration has faults that would appear only in a pod.
        SubmitError: A parameter is unknown, or the cluster rejected the run.
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
    except Exception as error:  # The SDK passes on the exceptions of its HTTP, Kubernetes and token libraries.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise SubmitError(f"{where} rejected the run: {reason[0]}") from error
    return f"Started: {request['run_name']}, run {run.run_id}"


def _parameters(settings: Sequence[str], known: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in known:
            near = did_you_mean(name, known) or f" (the parameters are: {', '.join(known)})"
            raise SubmitError(f"--parameter {setting}: expected NAME=VALUE of the pipeline's parameters{near}")
        if kind := secret_of(value):
            raise SubmitError(f"--parameter {name}: remove the {kind}: Kubeflow Pipelines stores and shows parameters")
        found[name] = value if name in ("data_path", "run_name") else _json(setting, value)
    return found


def _json(setting: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise SubmitError(f"--parameter {setting}: the value is not JSON") from error
