"""Objects that `kubectl apply -k` sends to a cluster, and their pods."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
KUSTOMIZATIONS = ["base", *sorted(f"overlays/{path.name}" for path in (MANIFESTS / "overlays").iterdir())]
KUBECTL = Path(sys.executable).with_name("kubectl")

Object = dict[str, Any]


def kustomize(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)


@functools.cache
def _text(kustomization: str) -> str:
    built = kustomize(MANIFESTS / kustomization)
    assert built.returncode == 0, built.stderr
    return built.stdout


def objects(kustomization: str) -> list[Object]:
    return list(yaml.safe_load_all(_text(kustomization)))


def of_kind(found: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


@dataclass(frozen=True)
class Pods:
    """Pods of a workload.

    Attributes:
        workload: Kind and name, for messages.
        template: Metadata and spec.
        selector: Labels by which the workload selects its pods, if it has a selector.
        ready_made: Volumes that the workload provides.
        ports_of_operator: Ports that an operator adds, by container.
    """

    workload: str
    template: Object
    selector: Mapping[str, str] | None = None
    ready_made: frozenset[str] = frozenset()
    ports_of_operator: Mapping[str, tuple[int, ...]] | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        return self.template["metadata"]["labels"]

    @property
    def spec(self) -> Object:
        return self.template["spec"]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> set[int | str]:
        """Numbers and names of the ports."""
        declared = [port for container in self.containers for port in container.get("ports", [])]
        added = [port for ports in (self.ports_of_operator or {}).values() for port in ports]
        return {port["containerPort"] for port in declared} | {port["name"] for port in declared} | {*added}

    def number(self, port: int | str) -> int:
        named = {one["name"]: one["containerPort"] for container in self.containers for one in container["ports"]}
        return port if isinstance(port, int) else named[port]


def pods(found: list[Object]) -> Iterator[Pods]:
    """Yield the pods of all workloads, including custom resources."""
    for one in found:
        kind, name = one["kind"], one["metadata"]["name"]
        if kind in ("Deployment", "Job"):
            yield Pods(f"{kind} {name}", one["spec"]["template"], one["spec"].get("selector", {}).get("matchLabels"))
        elif kind == "StatefulSet":
            claims = frozenset(claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"])
            yield Pods(f"{kind} {name}", one["spec"]["template"], one["spec"]["selector"]["matchLabels"], claims)
        elif kind == "FlinkDeployment":
            for role, ports in (("jobManager", (8081, 6123, 6124)), ("taskManager", (6122,))):
                template = one["spec"][role]["podTemplate"]
                yield Pods(f"{kind} {name} {role}", template, ports_of_operator={"flink-main-container": ports})


def container_of(kustomization: str, workload: str, name: str) -> Object:
    (one,) = (one for one in pods(objects(kustomization)) if one.workload == workload)
    return next(container for container in one.containers if container["name"] == name)


def selected(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()
