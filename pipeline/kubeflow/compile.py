"""Compiler of the pipeline for Kubeflow Pipelines, which runs each node in a container of its own."""

# No `from __future__ import annotations` in this module: the SDK needs annotations as types, not as text.

import graphlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl, kubernetes
from kfp.dsl import ContainerSpec, PipelineTask

from components.files import is_remote
from components.spec import seconds
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import schema_faults
from pipeline.config.sections.beam import option_faults
from pipeline.config.sections.kubeflow import KubeflowSpec, PodSpec
from pipeline.config.sections.metadata import MySqlSpec
from pipeline.config.spec import Config
from pipeline.metadata.store import PASSWORD
from pipeline.nodes import NODES, REPORT, named
from pipeline.paths import Paths

LABELS = {"app.kubernetes.io/part-of": "bigvocab", "app.kubernetes.io/component": "node"}
"""Labels of all pods. The network policies in the manifests let pods with these labels reach the database."""
COMMAND = ("python", "-m", "pipeline.cli", "run-node")
_SHARED_MEMORY = "shared-memory"


def check(config: Config) -> None:
    """Check the configuration for faults that would otherwise appear only in a pod.

    Raises:
        ConfigurationError: The configuration has faults. The message lists all of them.
    """
    at = config.kubeflow
    mounts = [volume.path for volume in at.volumes]
    faults = []
    if at.root.startswith("s3://"):
        faults.append(
            f"kubeflow.root: {at.root}: TensorFlow 2.21 cannot write to s3://; use gs:// or a ReadWriteMany "
            "volume (on S3, with a file system that can rename files, such as JuiceFS but not Mountpoint)"
        )
    elif is_remote(at.root):
        if not at.root.startswith("gs://"):
            faults.append(
                f"kubeflow.root: {at.root}: pods cannot share this path; use gs://, or a folder in one of "
                "kubeflow.volumes"
            )
    elif not _below(at.root, mounts):
        faults.append(
            f"kubeflow.root: {at.root} is not in any of kubeflow.volumes ({', '.join(mounts) or 'none set'}), so it "
            "would be lost with the pod that writes it; use a folder in one of them"
        )
    paths = {f"data.source.{key}": path for key, path in config.data.source.paths.items()}
    if config.inference.path:
        paths["inference.path"] = config.inference.path
    for key, source in paths.items():
        if source.startswith("s3://"):
            faults.append(f"{key}: {source}: s3:// cannot be read; use gs://, or mount the bucket as a volume")
        elif not is_remote(source) and not _below(source, mounts):
            faults.append(
                f"{key}: {source} does not exist in a pod; copy it into one of kubeflow.volumes "
                f"({', '.join(mounts) or 'none set'}) or to gs://, and set its path there"
            )
    if config.tuner is not None and is_remote(at.root):
        faults.append(
            f"tuner: the journal of a search needs a file system, and kubeflow.root is {at.root}; use a folder of one "
            "of kubeflow.volumes, or remove the section"
        )
    faults += schema_faults(config) + option_faults(config.beam)
    accelerated = [node.name for node in NODES if node.accelerated]
    for key, everywhere, alone in (
        ("gpu", "the pod of every node would reserve a GPU", "use a GPU"),
        ("workers", "other nodes do not train", "run in several pods"),
    ):
        if getattr(at.pod, key):
            faults.append(f"kubeflow.pod.{key}: {everywhere}; set kubeflow.nodes.{accelerated[-1]}.{key} instead")
        faults += [
            f"kubeflow.nodes.{node}.{key}: only {' and '.join(accelerated)} {alone}; remove the key"
            for node in at.nodes
            if getattr(at.nodes[node], key) and node not in accelerated
        ]
    if not any(PASSWORD in secret.env.values() for secret in at.secrets):
        faults.append(
            f"kubeflow.secrets: no secret sets {PASSWORD} in the pods; the list replaces the default, so add the "
            "secret 'bigvocab-metadata'"
        )
    images = KubeflowSpec()
    faults += [
        f"kubeflow.nodes.{node}.image is still {at.pod_of(node).image}, but kubeflow.image is {at.image}; "
        f"set the image of the {node} too"
        for node in accelerated
        if named(node).present(config)
        and at.image != images.image
        and at.pod_of(node).image == images.pod_of(node).image
    ]
    if faults:
        raise ConfigurationError("\n".join(faults))


def compile_pipeline(config: Config, output: Path) -> None:
    """Write the compiled pipeline as two YAML documents: the pipeline, and its Kubernetes settings.

    The parameters of the pipeline are `data_path`, `epochs`, `run_name`, and `settings`, a list of any `KEY=VALUE`.
    `data_path` and `epochs` default to their values in the configuration; the other two are empty by default.

    Args:
        config: Configuration with absolute paths, whose files exist.
        output: File to write, with suffix `.yaml`.

    Raises:
        ConfigurationError: The configuration has faults that `check` finds.
    """
    check(config)
    order = upstream(config)
    arguments = _arguments(config)
    components = {}
    for node in order:
        pod = config.kubeflow.pod_of(node)
        more = _schema(config) if node != REPORT and named(node).needs_schema else []
        for task, own in _tasks(node, pod).items():
            image = pod.image or config.kubeflow.image
            components[task] = _component(node, task, image, [*arguments, *more, *own])

    def pipeline(
        data_path: str = config.data.source.path or "",
        epochs: float = config.trainer.epochs,
        run_name: str = "",
        settings: list = [],  # noqa: B006  the SDK copies it
    ) -> None:
        made: dict[str, PipelineTask] = {}
        for node, before in order.items():
            pod = config.kubeflow.pod_of(node)
            for name in _tasks(node, pod):
                task = made[name] = components[name](
                    run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                    data_path=data_path,
                    epochs=epochs,
                    run_name=run_name,
                    settings=settings,
                )
                task.set_display_name(name)
                task.after(*(made[earlier] for earlier in before))
                _equip(task, config.kubeflow, pod)

    whole = dsl.pipeline(name=config.name.replace("_", "-"), description=config.description)(pipeline)
    compiler.Compiler().compile(whole, str(output))


def upstream(config: Config) -> dict[str, list[str]]:
    """Return the nodes in the order of the DAG, each with the nodes that it waits for.

    The report is last. It waits for the nodes that no other node waits for, and so for all nodes.
    """
    from components.compat.tfx.launcher import compiled
    from pipeline import dag

    # The MySQL store of the pods: for an SQLite file, TFX would create its folder on this machine. Compiling does not
    # connect to the server.
    config = config.model_copy(update={"metadata": _metadata(config)})
    ir = compiled(dag.build(config, Paths.of(config.kubeflow.root)))
    nodes = [entry.pipeline_node for entry in ir.nodes]
    order = {node.node_info.id: list(node.upstream_nodes) for node in nodes}
    last = [name for name in order if not any(name in before for before in order.values())]
    return {**order, REPORT: last}


def _arguments(config: Config) -> list[str]:
    """Return the arguments that all pods get in addition to the pipeline's parameters.

    The configuration is passed as text. It includes `--quick`, `--set` and all defaults, so a pod needs no file.
    """
    data = config.data.model_copy(update={"schema_file": None})
    plain = config.model_copy(update={"quick": {}, "data": data, "metadata": _metadata(config)})
    # YAML and not JSON: pods read YAML, and YAML reads the 1e-06 of JSON as text.
    text = yaml.safe_dump(plain.model_dump(mode="json", exclude={"kubeflow"}, exclude_unset=True), sort_keys=False)
    root = f"{config.kubeflow.root.rstrip('/')}/{config.name}"
    return ["--configuration", text, "--root", root]


def _metadata(config: Config) -> MySqlSpec:
    return config.metadata if isinstance(config.metadata, MySqlSpec) else config.kubeflow.metadata


def _schema(config: Config) -> list[str]:
    from tfx.dsl.io import fileio

    from pipeline import dag

    with fileio.open(dag.schema_file(config), "rb") as file:
        return ["--schema", file.read().decode("utf-8")]


def _tasks(node: str, pod: PodSpec) -> dict[str, list[str]]:
    """Return the tasks of a node by name, each with the arguments of its pod alone.

    A node has one task, or one task for each worker. The first task has the node's name and runs the node. The other
    tasks only take part in its training, and no task waits for them.
    """
    count = pod.workers or 1
    if count == 1:
        return {node: []}
    timeout = pod.rendezvous_timeout
    together = ["--workers", str(count), *(["--patience", str(seconds(timeout))] if timeout else [])]
    names = [node, *(f"{node}-worker-{index}" for index in range(1, count))]
    return {name: [*together, "--worker", str(index)] for index, name in enumerate(names)}


def _component(node: str, task: str, image: str, arguments: list[str]) -> Callable[..., PipelineTask]:
    def container(run_id: str, data_path: str, epochs: float, run_name: str, settings: list) -> ContainerSpec:
        parameters: list[Any] = [
            "--run-id", run_id, "--data-path", data_path, "--epochs", epochs, "--run-name", run_name,
            "--settings", settings,
        ]  # fmt: skip
        return ContainerSpec(image=image, command=[*COMMAND, node], args=[*arguments, *parameters])

    # The SDK names a component after its function, and would merge two components of the same name.
    container.__name__ = task
    return dsl.container_component(container)


def _equip(task: PipelineTask, at: KubeflowSpec, pod: PodSpec) -> None:
    # TFX has its own cache, which takes the data, code and configuration behind a result into account.
    task.set_caching_options(False)
    for key, value in LABELS.items():
        kubernetes.add_pod_label(task, key, value)
    if pod.cpu:
        task.set_cpu_request(pod.cpu)
    if pod.memory:
        task.set_memory_request(pod.memory)
        task.set_memory_limit(pod.memory)
    if pod.gpu:
        task.set_accelerator_type(pod.gpu.type)
        task.set_accelerator_limit(pod.gpu.count)
    if pod.retries:
        task.set_retry(pod.retries, backoff_duration=pod.backoff, backoff_factor=2)
    if pod.timeout:
        kubernetes.set_timeout(task, seconds(pod.timeout))
    for key, value in (pod.node_selector or {}).items():
        kubernetes.add_node_selector(task, key, value)
    for toleration in pod.tolerations or []:
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))
    for volume in at.volumes:
        kubernetes.mount_pvc(task, volume.claim, volume.path)
    if pod.shared_memory:
        kubernetes.empty_dir_mount(task, _SHARED_MEMORY, "/dev/shm", "Memory", pod.shared_memory)
    for secret in at.secrets:
        kubernetes.use_secret_as_env(task, secret.name, secret.env)
    if at.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(at.image_pull_secrets))
    if at.image_pull_policy:
        kubernetes.set_image_pull_policy(task, at.image_pull_policy)


def _below(path: str, mounts: list[str]) -> bool:
    return any(f"{path.rstrip('/')}/".startswith(f"{mount.rstrip('/')}/") for mount in mounts)


def describe(file: Path) -> dict[str, Any]:
    """Return the name, the parameters with their defaults, and the tasks of a compiled file."""
    pipeline, *_ = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    inputs = pipeline["root"]["inputDefinitions"]["parameters"]
    return {
        "name": pipeline["pipelineInfo"]["name"],
        "parameters": {name: json.dumps(value.get("defaultValue")) for name, value in inputs.items()},
        "tasks": _in_order(pipeline["root"]["dag"]["tasks"]),
    }


def _in_order(tasks: dict[str, Any]) -> list[str]:
    """Return the names of the tasks, each after those that it waits for. In the file their order is alphabetical."""
    before = {name: set(task.get("dependentTasks", [])) for name, task in tasks.items()}
    return [tasks[name]["taskInfo"]["name"] for name in graphlib.TopologicalSorter(before).static_order()]
