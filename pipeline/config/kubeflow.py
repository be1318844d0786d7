"""Where a pipeline runs on Kubeflow: images, resources, volumes, secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from components.spec import Spec
from pipeline.config.metadata import MySqlSpec

Cpu = Annotated[str, Field(pattern=r"^(\d*\.)?\d+m?$")]
"""As Kubernetes writes it: `500m`, `4`, `1.5`."""
Bytes = Annotated[str, Field(pattern=r"^\d+([KMGTPE]i?)?$")]
"""As Kubernetes writes it, and the SDK takes it: `512Mi`, `16Gi`."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""Of an object in the cluster."""
Duration = Annotated[str, Field(pattern=r"^\d+[smhd]$")]
"""`90s`, `30m`, `6h`, `2d`."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(duration: str) -> int:
    return int(duration[:-1]) * _UNITS[duration[-1]]


class GpuSpec(Spec):
    type: str = "nvidia.com/gpu"
    """The resource's name."""
    count: PositiveInt = 1


class TolerationSpec(Spec):
    key: str | None = None
    """None tolerates every taint."""
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _operands(self) -> TolerationSpec:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("'Exists' compares with no value: leave it out, or take 'Equal'")
        if self.operator == "Equal" and (self.key is None or self.value is None):
            raise ValueError("'Equal' wants a key and a value")
        return self


class VolumeSpec(Spec):
    """A claim that all pods mount. Access mode ReadWriteMany."""

    claim: Name
    path: str = Field(pattern=r"^/[^:]*[^:/]$")
    """Where it is mounted."""


class SecretSpec(Spec):
    """Keys of a secret that all pods get as variables of their environment."""

    name: Name
    env: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]] = Field(min_length=1)
    """Key of the secret: name of the variable."""


class PodSpec(Spec):
    """What a node's pod gets. Where a node says nothing, `kubeflow.pod` speaks."""

    image: str | None = None
    """In place of `kubeflow.image`."""
    cpu: Cpu | None = None
    """Requested; there is no limit, so that an idle core may be used."""
    memory: Bytes | None = None
    """Requested, and the limit."""
    gpu: GpuSpec | None = None
    shared_memory: Bytes | None = None
    """Size of a `/dev/shm` in memory, which NCCL wants where GPUs share a pod."""
    node_selector: dict[str, str] | None = None
    tolerations: list[TolerationSpec] | None = None
    retries: int | None = Field(default=None, ge=0)
    """Tries after the first one failed. A node that is tried again goes on where it stopped."""
    backoff: Duration | None = None
    """Before the first retry; twice that before the next."""
    timeout: Duration | None = None
    """Of each try."""
    workers: PositiveInt | None = None
    """The Trainer alone: pods that train together, each with all of the above."""
    patience: Duration | None = None
    """How long workers wait for each other, as while the cluster makes room for them."""

    def over(self, other: PodSpec) -> PodSpec:
        """This, and the other's word where this says nothing."""
        said = {name for name, value in self if value is not None}
        return other.model_copy(update={name: value for name, value in self if name in said})


class KubeflowSpec(Spec):
    """`bigvocab compile` and `bigvocab submit`."""

    image: str = "bigvocab:0.1.0"
    """What `kubeflow/Dockerfile` builds, pushed to where the cluster finds it."""
    root: str = "/data/runs"
    """What all pods share: a folder below one of `volumes`, or `gs://BUCKET/FOLDER`."""
    volumes: list[VolumeSpec] = [VolumeSpec(claim="bigvocab", path="/data")]
    metadata: MySqlSpec = MySqlSpec(kind="mysql", host="bigvocab-metadata")
    """The store that pods share, where the pipeline's own `metadata` is a file."""
    secrets: list[SecretSpec] = [
        SecretSpec(
            name="bigvocab-metadata",
            env={"user": "BIGVOCAB_METADATA_USER", "password": "BIGVOCAB_METADATA_PASSWORD"},
        )
    ]
    image_pull_secrets: list[Name] = []
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    service_account: Name | None = None
    """For `submit`: of the pods; None is the cluster's default for pipelines."""
    namespace: Name | None = None
    """For `submit`: where the run lies, on a cluster with several users."""
    host: str | None = None
    """For `submit`: address of the Kubeflow Pipelines API. None asks the environment, as the SDK does."""
    pod: PodSpec = PodSpec(cpu="1", memory="4Gi", retries=2, backoff="30s", timeout="1d", patience="30m")
    """Every node's, as far as it says nothing itself."""
    nodes: dict[str, PodSpec] = {
        "Trainer": PodSpec(
            image="bigvocab:0.1.0-gpu", cpu="4", memory="16Gi", shared_memory="8Gi", gpu=GpuSpec(count=1)
        ),
    }
    """By node, as in `Trainer: {gpu: {count: 4}}`; replaces the default as a whole."""

    def pod_of(self, node: str) -> PodSpec:
        return self.nodes.get(node, PodSpec()).over(self.pod)
