"""Tests that the APIs of the cluster accept the built manifests, and that invalid objects are detected."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.kubeflow.manifests import KUSTOMIZATIONS, MANIFESTS, kustomize, objects, of_kind
from tests.kubeflow.validation import NEWEST, OLDEST, faults


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_every_object_is_valid(kustomization: str, version: str) -> None:
    found = objects(kustomization)
    assert found
    said = {f"{one['kind']} {one['metadata']['name']}": faults(one, version) for one in found}
    assert not {name: problems for name, problems in said.items() if problems}


def test_the_profile_is_valid() -> None:
    assert not faults(yaml.safe_load((MANIFESTS / "overlays" / "multi-user" / "profile.yaml").read_text()))


def test_every_file_is_built_into_something() -> None:
    """Check the lists of the kustomizations: a file that no list names would never be tested."""
    files = {path.resolve() for path in MANIFESTS.rglob("*.yaml")}
    named = {path for path in files if path.name == "kustomization.yaml"}
    for kustomization in list(named):
        said = yaml.safe_load(kustomization.read_text())
        listed = [*said.get("resources", []), *(patch.get("path") for patch in said.get("patches", []))]
        named |= {(kustomization.parent / name).resolve() for name in listed if name and name.endswith(".yaml")}
    assert {path.relative_to(MANIFESTS).as_posix() for path in files - named} == {"overlays/multi-user/profile.yaml"}


def _with(found: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path such as `spec.a.0.b`; None deletes the field."""
    changed = copy.deepcopy(found)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    inner: Any = changed
    for step in steps:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return changed


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "message"),
    [
        # Core API.
        ("StatefulSet", "bigvocab-metadata", "spec.replica", 1, "'replica' was unexpected"),
        ("StatefulSet", "bigvocab-metadata", "spec.template.spec.containers.0.imagePolicy", "", "'imagePolicy' was un"),
        ("StatefulSet", "bigvocab-metadata", "spec.replicas", "one", "'one' is not of type 'integer'"),
        ("StatefulSet", "bigvocab-metadata", "spec.selector", None, "'selector' is a required property"),
        ("Service", "bigvocab-tensorboard", "spec.ports.0.port", None, "'port' is a required property"),
        ("NetworkPolicy", "bigvocab-metadata", "spec.ingres", [], "'ingres' was unexpected"),
        # Custom resources.
        ("FlinkDeployment", "bigvocab-flink", "spec.version", "v1_20", "'version' was unexpected"),
        ("FlinkDeployment", "bigvocab-flink", "spec.flinkVersion", "1.20", "'1.20' is not one of"),
        ("FlinkDeployment", "bigvocab-flink", "spec.taskManager.resource.cpu", "1", "'1' is not of type 'number'"),
        ("FlinkDeployment", "bigvocab-flink", "spec.flinkConfiguration.parallelism", 4, "4 is not of type 'string'"),
        ("FlinkDeployment", "bigvocab-flink", "spec.serviceAccount", None, "'serviceAccount' is a required property"),
        ("FlinkDeployment", "bigvocab-flink", "spec.job", {}, "'job' was unexpected"),
        (
            "FlinkDeployment",
            "bigvocab-flink",
            "spec.taskManager.podTemplate.spec.containers.1.port",
            50000,
            "'port' was unexpected",
        ),
        ("Tensorboard", "bigvocab-tensorboard", "spec.logsPath", "pvc://a", "'logsPath' was unexpected"),
        ("Tensorboard", "bigvocab-tensorboard", "spec.logspath", 1, "1 is not of type 'string'"),
        ("Tensorboard", "bigvocab-tensorboard", "spec.logspath", None, "'logspath' is a required property"),
    ],
)
def test_a_broken_object_is_refused(kind: str, name: str, path: str, value: Any, message: str) -> None:
    built = [one for kustomization in KUSTOMIZATIONS for one in objects(kustomization)]
    good = of_kind(built, kind)[name]
    assert not faults(good)
    assert re.search(re.escape(message), "\n".join(faults(_with(good, path, value))))


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        faults({"apiVersion": "example.com/v1", "kind": "FlinkDeploiment", "metadata": {"name": "a"}, "spec": {}})


def test_a_patch_that_hits_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(MANIFESTS / "base")
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bigvocab-tensorbord"}}
    kustomization = {"resources": ["base"], "patches": [{"patch": yaml.safe_dump(patch)}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    built = kustomize(tmp_path)
    assert built.returncode != 0
    assert "no matches for Id" in built.stderr
