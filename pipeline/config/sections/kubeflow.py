"""Configuration of Kubeflow: images, resources, volumes and secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from components.spec import Duration, Spec
from pipeline.config.sections.metadata import MySqlSpec

Cpu = Annotated[str, Field(pattern=r"^(\d*\.)?\d+m?$")]
"""CPU quantity in Kubernetes notation, such as `500m`, `4` or `1.5`."""
Bytes = Annotated[str, Field(pattern=r"^\d+([KMGTPE]i?)?$")]
"""Memory quantity in Kubernetes notation, as the SDK accepts it, such as `512Mi` or `16Gi`."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""Name of an object in the cluster."""


class GpuSpec(Spec):
    """GPUs of a pod."""

    type: str = "nvidia.com/gpu"
    """Kubernetes resource name of the GPU."""
    count: PositiveInt = 1
    """Number of GPUs."""


class TolerationSpec(Spec):
    """Kubernetes toleration of a pod."""

    key: str | None = None
    """Key of the taint. None: all taints."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """`Exists` ignores the value of the taint; `Equal` compares it with `value`."""
    value: str | None = None
    """Value of the taint; only with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. None: all effects."""

    @model_validator(mode="after")
    def _operands(self) -> TolerationSpec:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator 'Exists' takes no value: remove 'value', or use 'Equal'")
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("operator 'Equal' requires 'key' and 'value'")
        return self


class VolumeSpec(Spec):
    """Persistent volume claim that all pods mount. Its access mode must be ReadWriteMany."""

    claim: Name
    """Name of the claim."""
    path: str = Field(pattern=r"^/[^:\x00-\x1f\x7f]*[^:/\x00-\x1f\x7f]$")
    """Mount path in the pods."""


class SecretSpec(Spec):
    """Secret whose keys all pods get as environment variables."""

    name: Name
    """Name of the secret."""
    env: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = Field(min_length=1)
    """Environment variable names, by key of the secret."""


class PodSpec(Spec):
    """Settings of the pod of a node. A key that a node does not set is taken from `kubeflow.pod`."""

    image: str | None = None
    """Container image, instead of `kubeflow.image`."""
    cpu: Cpu | None = None
    """CPU request. No limit is set, so that the pod can use idle cores."""
    memory: Bytes | None = None
    """Memory request and limit."""
    gpu: GpuSpec | None = None
    """GPUs of the pod."""
    shared_memory: Bytes | None = None
    """Size of an in-memory `/dev/shm`, which NCCL needs if several GPUs share a pod."""
    node_selector: dict[str, str] | None = None
    """Labels that the cluster node must have, by name."""
    tolerations: list[TolerationSpec] | None = None
    """Tolerations of the pod."""
    retries: int | None = Field(default=None, ge=0)
    """Number of retries after a failure. A retry resumes where the node stopped."""
    backoff: Duration | None = None
    """Wait before the first retry. The wait doubles before each further retry."""
    timeout: Duration | None = None
    """Time limit of each try."""
    workers: PositiveInt | None = None
    """Trainer: number of pods that train together. Tuner: number of pods that run trials side by side. Each pod gets
    all of the settings above."""
    rendezvous_timeout: Duration | None = None
    """Maximum time that workers wait for each other, for example until the cluster has capacity for all of them."""

    def over(self, other: PodSpec) -> PodSpec:
        """Return these settings, with unset keys taken from `other`."""
        return other.model_copy(update={name: value for name, value in self if value is not None})


_LIKE = {"Tuner": "Trainer"}
"""Nodes without an entry that take the settings of another node, apart from its number of pods."""


class KubeflowSpec(Spec):
    """Settings of `bigvocab compile` and `bigvocab submit`."""

    image: str = "bigvocab:0.1.0"
    """Container image built from `kubeflow/Dockerfile`, in a registry that the cluster can pull from."""
    root: str = "/data/runs"
    """Folder that all pods share: a folder in one of `volumes`, or `gs://BUCKET/FOLDER`."""
    volumes: list[VolumeSpec] = [VolumeSpec(claim="bigvocab", path="/data")]
    """Volumes that all pods mount."""
    metadata: MySqlSpec = MySqlSpec(kind="mysql", host="bigvocab-metadata")
    """Metadata store that the pods share. Used if the top-level `metadata` is a file."""
    secrets: list[SecretSpec] = [
        SecretSpec(
            name="bigvocab-metadata",
            env={"user": "BIGVOCAB_METADATA_USER", "password": "BIGVOCAB_METADATA_PASSWORD"},
        )
    ]
    """Secrets whose keys all pods get as environment variables."""
    image_pull_secrets: list[Name] = []
    """Names of the secrets for pulling images."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """Kubernetes image pull policy. None: the default of the cluster."""
    service_account: Name | None = None
    """Service account of the pods; only for `submit`. None: the cluster's default for pipelines."""
    namespace: Name | None = None
    """Namespace of the run, on a cluster with several users; only for `submit`."""
    host: str | None = None
    """Address of the Kubeflow Pipelines API; only for `submit`. None: the SDK takes it from the environment."""
    pod: PodSpec = PodSpec(cpu="1", memory="4Gi", retries=2, backoff="30s", timeout="1d", rendezvous_timeout="30m")
    """Default settings of the pods of all nodes."""
    nodes: dict[str, PodSpec] = {
        "Trainer": PodSpec(
            image="bigvocab:0.1.0-gpu", cpu="4", memory="16Gi", shared_memory="8Gi", gpu=GpuSpec(count=1)
        ),
    }
    """Settings of the pods of single nodes, by node, such as `Trainer: {gpu: {count: 4}}`. A value replaces the whole
    default of this key. A Tuner without an entry has the settings of the Trainer, in one pod."""

    def pod_of(self, node: str) -> PodSpec:
        """Return the settings of a node's pod: its entry in `nodes`, completed from `pod`."""
        alike = self.nodes.get(_LIKE.get(node, ""), PodSpec()).model_copy(update={"workers": None})
        return self.nodes.get(node, alike).over(self.pod)
