"""Tests of consistency that no schema covers: names exist, labels match, versions are equal."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from pipeline.config.loading import load
from pipeline.config.preset_files import DEFAULT_PRESET
from tests.kubeflow.dockerfile import Dockerfile
from tests.kubeflow.manifests import (
    KUSTOMIZATIONS,
    MANIFESTS,
    ROOT,
    objects,
    of_kind,
    pods,
    selected,
)

BROUGHT_BY_THE_USER = {"bigvocab-metadata": {"user", "password"}}
"""Secrets and their keys: base/kustomization.yaml has the command."""
every = pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)


def _values(found: object, key: str) -> Iterator[object]:
    """Yield the values of all fields of a name, at any depth."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(found, list):
        for value in found:
            yield from _values(value, key)


@every
def test_all_is_in_one_namespace(kustomization: str) -> None:
    wanted = yaml.safe_load((MANIFESTS / kustomization / "kustomization.yaml").read_text())["namespace"]
    assert {one["metadata"].get("namespace") for one in objects(kustomization)} == {wanted}
    assert not of_kind(objects(kustomization), "Namespace"), "deleting it would delete what others have in it"


def test_the_namespace_of_several_users_is_that_of_the_profile() -> None:
    profile = yaml.safe_load((MANIFESTS / "overlays" / "multi-user" / "profile.yaml").read_text())
    assert {one["metadata"]["namespace"] for one in objects("overlays/multi-user")} == {profile["metadata"]["name"]}


@every
def test_claims_are_there_and_volumes_are_mounted_by_their_names(kustomization: str) -> None:
    found = objects(kustomization)
    claims = of_kind(found, "PersistentVolumeClaim")
    for one in pods(found):
        volumes = {volume["name"]: volume for volume in one.spec.get("volumes", [])}
        for volume in volumes.values():
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims, one.workload
                assert claims[claim["claimName"]]["spec"]["accessModes"] == ["ReadWriteMany"], "pods share it"
        mounted = {mount["name"] for container in one.containers for mount in container.get("volumeMounts", [])}
        assert mounted == volumes.keys() | one.ready_made, one.workload
    for tensorboard in of_kind(found, "Tensorboard").values():
        assert tensorboard["spec"]["logspath"].removeprefix("pvc://").split("/")[0] in claims


@every
def test_secrets_and_configmaps_are_there_or_brought_by_the_user(kustomization: str) -> None:
    found = objects(kustomization)
    assert not of_kind(found, "Secret"), "a secret in a manifest is none"
    for reference in _values(found, "secretKeyRef"):
        assert isinstance(reference, dict)
        assert reference["key"] in BROUGHT_BY_THE_USER[reference["name"]]
    configured = of_kind(found, "ConfigMap")
    for key in ("configMapKeyRef", "configMapRef", "configMap"):
        assert all(isinstance(one, dict) and one.get("name") in configured for one in _values(found, key))


def test_the_command_that_makes_the_secret_makes_all_of_it() -> None:
    comment = (MANIFESTS / "base" / "kustomization.yaml").read_text()
    for name, keys in BROUGHT_BY_THE_USER.items():
        command = re.search(rf"kubectl create secret generic {name}(.*?)\n#\s+kubectl apply", comment, re.DOTALL)
        assert command
        assert set(re.findall(r"--from-(?:literal|file)=(\w+)=", command[1])) == keys


def test_no_manifest_holds_a_password() -> None:
    for path in MANIFESTS.rglob("*.yaml"):
        said = re.findall(r"password\w*[\"']?\s*[:=]\s*(\S+)", path.read_text(), re.IGNORECASE)
        assert set(said) <= {"/dev/stdin"}, path


@every
def test_service_accounts_are_there_and_bound(kustomization: str) -> None:
    found = objects(kustomization)
    accounts, roles = of_kind(found, "ServiceAccount"), of_kind(found, "Role")
    used = {*_values(found, "serviceAccountName"), *_values(found, "serviceAccount")}
    assert used == accounts.keys()
    bound: set[str] = set()
    for binding in of_kind(found, "RoleBinding").values():
        assert binding["roleRef"]["name"] in roles
        bound |= {subject["name"] for subject in binding["subjects"]}
    assert bound == used
    for one in pods(found):
        # Its job manager uses the API of the cluster to create pods.
        if not one.workload.startswith("FlinkDeployment"):
            assert one.spec["automountServiceAccountToken"] is False, one.workload


@every
def test_selectors_find_their_pods_and_no_others(kustomization: str) -> None:
    found = objects(kustomization)
    templates = list(pods(found))
    for one in templates:
        if one.selector is not None:
            assert selected(one.selector, one.labels) or one.workload.startswith("Job"), one.workload
    for kind in ("Deployment", "StatefulSet"):
        for name, workload in of_kind(found, kind).items():
            selector = workload["spec"]["selector"]["matchLabels"]
            assert [one.workload for one in templates if selected(selector, one.labels)] == [f"{kind} {name}"]
    for workload in of_kind(found, "StatefulSet").values():
        assert workload["spec"]["serviceName"] in of_kind(found, "Service")


@every
def test_services_lead_to_ports_that_are_open(kustomization: str) -> None:
    found = objects(kustomization)
    for name, service in of_kind(found, "Service").items():
        if service["spec"].get("type") == "ExternalName":
            continue
        behind = [one for one in pods(found) if selected(service["spec"]["selector"], one.labels)]
        assert len(behind) == 1, name
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in behind[0].ports, name
            if service["spec"].get("clusterIP") == "None":  # A headless service does not translate port numbers.
                assert behind[0].number(port["targetPort"]) == port["port"], name


@every
def test_probes_ask_ports_that_are_open(kustomization: str) -> None:
    for one in pods(objects(kustomization)):
        for container in one.containers:
            open_ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for kind in ("httpGet", "tcpSocket"):
                    if asked := container.get(probe, {}).get(kind):
                        assert asked["port"] in open_ports, f"{one.workload} {container['name']} {probe}"
            if open_ports:
                assert {"startupProbe", "livenessProbe"} <= container.keys(), one.workload


@every
def test_pods_keep_to_the_restricted_standard(kustomization: str) -> None:
    """Check https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    for one in pods(objects(kustomization)):
        of_pod = one.spec["securityContext"]
        assert of_pod["runAsNonRoot"] is True, one.workload
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}, one.workload
        assert not {"hostNetwork", "hostPID", "hostIPC"} & one.spec.keys(), one.workload
        for volume in one.spec.get("volumes", []):
            assert volume.keys() <= {"name", "persistentVolumeClaim", "emptyDir"}, one.workload
        for container in one.containers:
            where = f"{one.workload} {container['name']}"
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, where
            assert context["capabilities"] == {"drop": ["ALL"]}, where
            assert not context.get("privileged"), where
            for identity in ("runAsUser", "runAsGroup"):
                assert {**of_pod, **context}[identity] > 0, where
            if container["name"] != "flink-main-container":  # Flink writes its configuration and its logs.
                assert context["readOnlyRootFilesystem"] is True, where


@every
def test_every_container_says_what_it_needs(kustomization: str) -> None:
    found = objects(kustomization)
    for one in pods(found):
        for container in one.containers:
            if container["name"] == "flink-main-container":
                continue  # jobManager.resource and taskManager.resource set the resources; the schema requires them.
            resources = container["resources"]
            assert resources["requests"].keys() == {"cpu", "memory"}, one.workload
            assert resources["limits"]["memory"] == resources["requests"]["memory"], one.workload


def _tag(image: str) -> tuple[str, str]:
    name, _, tag = image.rpartition(":")
    return name, tag


@every
def test_images_have_a_version(kustomization: str) -> None:
    images = {str(image) for image in _values(objects(kustomization), "image")}
    for image in images:
        assert re.match(r"\d+\.\d+\.\d+(-|$)", _tag(image)[1]), image
    own = {image for image in images if _tag(image)[0].split("/")[-1] == "bigvocab"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {_tag(image)[1] for image in own} == {version}
    assert len(own) == 1, "one name for all"


def test_the_image_can_be_named_in_one_place() -> None:
    """Check all images, including that of Beam's workers, which is deep in a custom resource."""
    images = {str(image) for image in _values(objects("overlays/example"), "image")}
    assert not {image for image in images if image.startswith("bigvocab")}
    (task_manager,) = (one for one in pods(objects("overlays/example")) if one.workload.endswith("taskManager"))
    assert task_manager.containers[1]["image"].startswith("registry.example.com/bigvocab:")


def test_pods_run_as_the_user_of_the_image() -> None:
    user = Dockerfile.read(ROOT / "kubeflow" / "Dockerfile").last("cpu", "USER")
    assert user
    for kustomization in KUSTOMIZATIONS:
        for one in pods(objects(kustomization)):
            for container in one.containers:
                if _tag(container.get("image", ""))[0].endswith("bigvocab"):
                    context = {**one.spec["securityContext"], **container["securityContext"]}
                    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user.text
                    assert context["fsGroup"] == context["runAsGroup"]


def test_what_a_configuration_says_by_default_is_what_is_there() -> None:
    kubeflow = pytest.importorskip("pipeline.config.sections.kubeflow").KubeflowSpec()
    found = objects("base")
    (volume,) = kubeflow.volumes
    assert volume.claim in of_kind(found, "PersistentVolumeClaim")
    assert kubeflow.root.startswith(f"{volume.path}/")
    assert _tag(kubeflow.image)[0] == "bigvocab"
    tensorboard = of_kind(found, "Deployment")["bigvocab-tensorboard"]
    (container,) = tensorboard["spec"]["template"]["spec"]["containers"]
    assert f"{kubeflow.root}/*/tensorboard" in container["args"][0]
    assert {"name": "data", "mountPath": volume.path, "readOnly": True} in container["volumeMounts"]


def test_kubeflow_s_tensorboard_looks_where_the_default_pipeline_writes() -> None:
    kubeflow = pytest.importorskip("pipeline.config.sections.kubeflow").KubeflowSpec()
    (volume,) = kubeflow.volumes
    folder = f"{kubeflow.root}/{load(DEFAULT_PRESET).name}/artifacts/Trainer/model_run"
    tensorboard = of_kind(objects("overlays/kubeflow-tensorboard"), "Tensorboard")["bigvocab-tensorboard"]
    assert tensorboard["spec"]["logspath"] == f"pvc://{volume.claim}{folder.removeprefix(volume.path)}"


def test_tensorflow_serving_reads_where_the_default_pipeline_pushes() -> None:
    kubeflow = pytest.importorskip("pipeline.config.sections.kubeflow").KubeflowSpec()
    deployment = of_kind(objects("overlays/tensorflow-serving"), "Deployment")["bigvocab-tensorflow-serving"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (variable,) = container["env"]
    name = load(DEFAULT_PRESET).name
    assert variable == {"name": "MODEL_NAME", "value": name}
    assert f'--model_base_path="{kubeflow.root}/$MODEL_NAME/serving"' in container["args"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{name}/metadata"
