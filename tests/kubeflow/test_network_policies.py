"""Tests of the allowed connections in the cluster, by the network policies of the built manifests."""

from __future__ import annotations

import pytest

from tests.kubeflow.manifests import KUSTOMIZATIONS, Object, Pods, objects, of_kind, pods, selected

NODE = {"app.kubernetes.io/part-of": "bigvocab", "app.kubernetes.io/component": "node"}
OPERATOR = {"app.kubernetes.io/name": "flink-kubernetes-operator"}
ELSEWHERE = {"kubernetes.io/metadata.name": "elsewhere"}
ISTIO = {"kubernetes.io/metadata.name": "istio-system"}


def _reaches(found: list[Object], labels: dict[str, str], target: Pods, port: int, namespace: Object | None) -> bool:
    """Return whether a pod with these labels may connect to a port, by the semantics of NetworkPolicy."""

    def _named(peer: Object) -> bool:
        if "namespaceSelector" in peer:
            where = (peer["namespaceSelector"] or {}).get("matchLabels", {})
            if not selected(where, namespace or {"kubernetes.io/metadata.name": "own"}):
                return False
        elif namespace is not None:
            return False
        return selected(peer.get("podSelector", {}).get("matchLabels", {}), labels)

    policies = [
        one["spec"]
        for one in of_kind(found, "NetworkPolicy").values()
        if "Ingress" in one["spec"]["policyTypes"]
        and selected(one["spec"]["podSelector"]["matchLabels"], target.labels)
    ]
    return not policies or any(
        any(map(_named, rule["from"])) and ("ports" not in rule or port in [one["port"] for one in rule["ports"]])
        for policy in policies
        for rule in policy.get("ingress", [])
    )


def _target(found: list[Object], workload: str) -> Pods:
    (one,) = (one for one in pods(found) if one.workload == workload)
    return one


@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_every_pod_that_listens_is_behind_a_policy(kustomization: str) -> None:
    found = objects(kustomization)
    for one in pods(found):
        for port in filter(lambda port: isinstance(port, int), one.ports):
            assert isinstance(port, int)
            assert not _reaches(found, {}, one, port, ELSEWHERE), f"{one.workload} {port}"
    for name, policy in of_kind(found, "NetworkPolicy").items():
        selector = policy["spec"]["podSelector"]["matchLabels"]
        behind = [one.labels for one in pods(found) if selected(selector, one.labels)]
        # Kubeflow's controller copies the labels of a Tensorboard to its pod.
        behind += [one["metadata"]["labels"] for one in of_kind(found, "Tensorboard").values()]
        assert any(selected(selector, labels) for labels in behind), name


def test_only_nodes_reach_the_database() -> None:
    found = objects("overlays/flink")
    database = _target(found, "StatefulSet bigvocab-metadata")
    assert _reaches(found, NODE, database, 3306, None)
    assert not _reaches(found, NODE, database, 3307, None)
    assert not _reaches(found, NODE, database, 3306, ELSEWHERE)
    assert not _reaches(found, {}, database, 3306, None)
    for other in pods(found):
        assert not _reaches(found, dict(other.labels), database, 3306, None), other.workload
    (policy,) = (one["spec"] for name, one in of_kind(found, "NetworkPolicy").items() if name == "bigvocab-metadata")
    assert "Egress" in policy["policyTypes"]
    assert "egress" not in policy


def test_tensorboard_is_reached_from_its_namespace_and_through_the_gateway() -> None:
    found = objects("base")
    tensorboard = _target(found, "Deployment bigvocab-tensorboard")
    assert _reaches(found, {"app": "notebook"}, tensorboard, 6006, None)
    assert _reaches(found, {"app": "istio-ingressgateway"}, tensorboard, 6006, ISTIO)
    assert not _reaches(found, {"app": "notebook"}, tensorboard, 6006, ELSEWHERE)


def test_only_the_job_server_and_the_operator_hand_code_to_flink() -> None:
    found = objects("overlays/flink")
    job_server = _target(found, "Deployment bigvocab-beam-jobs")
    managers = [one for one in pods(found) if one.workload.startswith("FlinkDeployment")]
    manager = managers[0]
    assert manager.workload.endswith("jobManager")
    assert _reaches(found, dict(job_server.labels), manager, 8081, None)
    assert _reaches(found, OPERATOR, manager, 8081, ELSEWHERE)
    assert not _reaches(found, NODE, manager, 8081, None)
    assert not _reaches(found, {}, manager, 8081, None)
    assert all(_reaches(found, dict(managers[0].labels), one, 6122, None) for one in managers)
    assert _reaches(found, NODE, job_server, 8099, None)
    assert _reaches(found, NODE, job_server, 8098, None)
    assert not _reaches(found, {}, job_server, 8099, None)
    # Only the task manager of the same pod connects to a worker, and no policy restricts that.
    assert not _reaches(found, NODE, managers[1], 50000, None)


def test_the_model_server_is_reached_from_its_namespace_alone() -> None:
    found = objects("overlays/tensorflow-serving")
    server = _target(found, "Deployment bigvocab-tensorflow-serving")
    for port in (8501, 8500):
        assert _reaches(found, {"app": "client"}, server, port, None)
        assert not _reaches(found, {"app": "client"}, server, port, ELSEWHERE)
