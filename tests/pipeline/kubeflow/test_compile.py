"""Tests of the compiled file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli import main
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load, loads
from pipeline.config.sections.metadata import MySqlSpec
from pipeline.nodes import node_names

pytest.importorskip("kfp", reason="BIGVOCAB_EXTRAS=kubeflow installs the Kubeflow Pipelines SDK")

from pipeline.kubeflow.compile import check, compile_pipeline
from tests.kubeflow.test_network_policies import NODE

OF_SPANS = {"RollingRange", "AnalyzerCache"}
USUAL = {*node_names()} - OF_SPANS - {"BulkInferrer", "Tuner"}
"""Nodes of data without spans, where no rows are answered in bulk and no values are searched."""
CLUSTER = [
    "kubeflow.metadata={kind: mysql, host: database, user: me}",
    "kubeflow.image=registry.example.org/bigvocab:1.2.0",
    "kubeflow.image_pull_secrets=[registry]",
    "kubeflow.image_pull_policy=Always",
    "kubeflow.volumes=[{claim: bigvocab, path: /data}, {claim: corpus, path: /corpus}]",
    "kubeflow.secrets=[{name: bigvocab-metadata, env: {user: BIGVOCAB_METADATA_USER, password: "
    "BIGVOCAB_METADATA_PASSWORD}}]",
    "kubeflow.pod={cpu: 500m, memory: 2Gi, retries: 3, backoff: 90s, timeout: 6h}",
    "kubeflow.nodes.Trainer={image: 'registry.example.org/bigvocab:1.2.0-gpu', cpu: '16', memory: 64Gi, "
    "gpu: {count: 4}, shared_memory: 16Gi, node_selector: {cloud.example.org/accelerator: h100}, "
    "tolerations: [{key: nvidia.com/gpu, effect: NoSchedule}, {key: team, operator: Equal, value: search}], "
    "retries: 1}",
]  # fmt: skip


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    file = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compile_pipeline(
        load(None, [*CLUSTER, "trainer.warm_start=true", "trainer.epochs=7", "trainer.learning_rate=1.0e-6"]), file
    )
    pipeline, platform = yaml.safe_load_all(file.read_text())
    return pipeline, platform


def container(documents: tuple[dict[str, Any], dict[str, Any]], node: str) -> dict[str, Any]:
    return documents[0]["deploymentSpec"]["executors"][f"exec-{node.lower()}"]["container"]


def kubernetes(documents: tuple[dict[str, Any], dict[str, Any]], node: str) -> dict[str, Any]:
    return documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{node.lower()}"]


def task(documents: tuple[dict[str, Any], dict[str, Any]], node: str) -> dict[str, Any]:
    return documents[0]["root"]["dag"]["tasks"][node.lower()]


@pytest.mark.slow
def test_there_is_a_task_for_each_node_after_those_it_waits_for(documents) -> None:
    tasks = documents[0]["root"]["dag"]["tasks"]
    assert {entry["taskInfo"]["name"] for entry in tasks.values()} == USUAL
    waits = {name: set(entry.get("dependentTasks", [])) for name, entry in tasks.items()}
    assert waits["examplegen"] == set()
    assert waits["trainer"] >= {"transform", "basemodel"}
    assert waits["evaluator"] >= {"trainer", "baselines", "resolver"}
    of_card = {"examplegen", "transform", "baselines", "defaults"}
    assert waits["pusher"] == {"trainer", "evaluator", "infravalidator", *of_card}
    assert waits["report"] == {"pusher"}
    assert all(container(documents, name)["command"][-1] == name for name in USUAL)
    assert not any(entry["cachingOptions"] for entry in tasks.values()), "TFX has a cache of its own"


def test_a_pod_gets_the_run_the_configuration_and_the_parameters(documents) -> None:
    arguments = container(documents, "Trainer")["args"]
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    config = loads(given["--configuration"])
    assert config.trainer.learning_rate == 1e-6
    assert config.trainer.epochs == 7
    assert config.metadata == MySqlSpec(kind="mysql", host="database", user="me")
    assert given["--root"] == "/data/runs/sotu"
    for parameter in ("run_id", "data_path", "epochs", "run_name", "settings"):
        assert given[f"--{parameter.replace('_', '-')}"] == f"{{{{$.inputs.parameters['{parameter}']}}}}"
    run_id = task(documents, "Trainer")["inputs"]["parameters"]["run_id"]
    assert run_id["runtimeValue"]["constant"] == "{{$.pipeline_job_uuid}}"
    schema = container(documents, "ImportSchemaGen")["args"]
    assert 'name: "words"' in schema[schema.index("--schema") + 1]
    assert "--schema" not in arguments
    defaults = documents[0]["root"]["inputDefinitions"]["parameters"]
    assert {name: parameter["defaultValue"] for name, parameter in defaults.items()} == {
        "data_path": "",
        "epochs": 7,
        "run_name": "",
        "settings": [],
    }


def test_resources_are_those_of_the_configuration(documents) -> None:
    trainer, transform = container(documents, "Trainer"), container(documents, "Transform")
    assert trainer["image"] == "registry.example.org/bigvocab:1.2.0-gpu"
    assert trainer["resources"]["resourceCpuRequest"] == "16"
    assert trainer["resources"]["resourceMemoryRequest"] == trainer["resources"]["resourceMemoryLimit"] == "64Gi"
    gpu = trainer["resources"]["accelerator"]
    assert (gpu["resourceType"], gpu["resourceCount"]) == ("nvidia.com/gpu", "4")
    assert transform["image"] == "registry.example.org/bigvocab:1.2.0"
    assert transform["resources"]["resourceCpuRequest"] == "500m"
    assert transform["resources"]["resourceMemoryLimit"] == "2Gi"
    assert "accelerator" not in transform["resources"]
    policy = task(documents, "Transform")["retryPolicy"]
    assert (policy["maxRetryCount"], policy["backoffDuration"], policy["backoffFactor"]) == (3, "90s", 2)
    assert task(documents, "Trainer")["retryPolicy"]["maxRetryCount"] == 1


def test_placement_volumes_and_secrets_are_those_of_the_configuration(documents) -> None:
    trainer, transform = kubernetes(documents, "Trainer"), kubernetes(documents, "Transform")
    assert trainer["nodeSelector"]["labels"] == {"cloud.example.org/accelerator": "h100"}
    assert trainer["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "search"},
    ]
    (memory,) = trainer["emptyDirMounts"]
    assert (memory["mountPath"], memory["medium"], memory["sizeLimit"]) == ("/dev/shm", "Memory", "16Gi")
    assert not transform.keys() & {"nodeSelector", "tolerations", "emptyDirMounts"}
    for pod in (trainer, transform):
        assert [(mount["constant"], mount["mountPath"]) for mount in pod["pvcMount"]] == [
            ("bigvocab", "/data"),
            ("corpus", "/corpus"),
        ]
        (secret,) = pod["secretAsEnv"]
        assert secret["secretName"] == "bigvocab-metadata"
        assert {entry["secretKey"]: entry["envVar"] for entry in secret["keyToEnv"]} == {
            "user": "BIGVOCAB_METADATA_USER",
            "password": "BIGVOCAB_METADATA_PASSWORD",
        }
        assert pod["imagePullSecret"][0]["secretName"] == "registry"
        assert pod["imagePullPolicy"] == "Always"
        assert pod["activeDeadlineSeconds"] == str(6 * 3600)


@pytest.mark.slow
def test_data_in_spans_have_the_nodes_of_spans_and_new_rows_that_of_answers(tmp_path: Path) -> None:
    config = load("decades", [*CLUSTER, "data.span=1990s", "inference.path=gs://bucket/new/*.jsonl"])
    compile_pipeline(config, tmp_path / "pipeline.yaml")
    pipeline, _ = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    tasks = pipeline["root"]["dag"]["tasks"]
    assert {entry["taskInfo"]["name"] for entry in tasks.values()} == {*node_names(config)} >= OF_SPANS
    waits = {name: set(entry.get("dependentTasks", [])) for name, entry in tasks.items()}
    assert waits["rollingrange"] == {"examplegen", "statisticsgen"}
    assert waits["transform"] >= {"rollingrange", "analyzercache", "examplevalidator"}
    assert (waits["bulkinferrer"], waits["report"]) == ({"pusher"}, {"bulkinferrer"})
    arguments = container((pipeline, {}), "ExampleGen")["args"]
    in_pod = loads(arguments[arguments.index("--configuration") + 1])
    assert (in_pod.data.span, in_pod.inference.path) == ("1990s", "gs://bucket/new/*.jsonl")


@pytest.mark.slow
def test_several_workers_are_tasks_beside_each_other_that_nothing_waits_for(tmp_path: Path) -> None:
    pods = "{image: gpu, gpu: {count: 8}, retries: 4, workers: 3, rendezvous_timeout: 2h}"
    settings = ["tuner={}", *(f"kubeflow.nodes.{node}={pods}" for node in ("Tuner", "Trainer"))]
    compile_pipeline(load(None, settings), tmp_path / "pipeline.yaml")
    found = tuple(yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text()))
    for node in ("Tuner", "Trainer"):
        names = [node, f"{node}-worker-1", f"{node}-worker-2"]
        for index, name in enumerate(names):
            started = container(found, name)
            assert started["command"][-2:] == ["run-node", node]
            own = started["args"][started["args"].index("--workers") :][:6]
            assert own == ["--workers", "3", "--patience", "7200", "--worker", str(index)]
            assert started["resources"]["accelerator"]["resourceCount"] == "8"
            assert task(found, name)["retryPolicy"]["maxRetryCount"] == 4
            assert task(found, name)["dependentTasks"] == task(found, node)["dependentTasks"]
            assert kubernetes(found, name)["pvcMount"] == kubernetes(found, node)["pvcMount"]
        waiting = [one for each in found[0]["root"]["dag"]["tasks"].values() for one in each.get("dependentTasks", [])]
        assert node.lower() in waiting
        assert not {name.lower() for name in names[1:]} & {*waiting}


def test_a_search_needs_a_file_system() -> None:
    with pytest.raises(ConfigurationError, match="tuner: the journal of a search needs a file system"):
        check(load(None, ["tuner={}", "kubeflow.root=gs://bucket/runs", "kubeflow.volumes=[]"]))


def test_a_tuner_has_the_pod_of_the_trainer_unless_it_has_its_own() -> None:
    at = load(None, ["kubeflow.nodes.Trainer={image: mine, gpu: {count: 8}, workers: 3}"]).kubeflow
    assert at.pod_of("Tuner") == at.pod_of("Trainer").model_copy(update={"workers": None})
    at = load(None, ["kubeflow.nodes.Tuner={image: mine, workers: 3}"]).kubeflow
    assert (at.pod_of("Tuner").image, at.pod_of("Tuner").gpu, at.pod_of("Tuner").workers) == ("mine", None, 3)


@pytest.mark.slow
def test_the_default_goes_with_the_manifests(tmp_path: Path) -> None:
    file, volume = tmp_path / "pipeline.yaml", tmp_path / "volume"
    # Compilation does not create the folders of the pods.
    places = [f"kubeflow.root={volume}/runs", f"kubeflow.volumes=[{{claim: bigvocab, path: {volume}}}]"]
    compile_pipeline(load(None, places), file)
    assert not volume.exists()
    pipeline, platform = yaml.safe_load_all(file.read_text())
    for name, executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
        assert executor["podMetadata"]["labels"] == NODE, name
        assert [secret["secretName"] for secret in executor["secretAsEnv"]] == ["bigvocab-metadata"]
        assert pipeline["deploymentSpec"]["executors"][name]["container"]["image"].startswith("bigvocab:0.1.0")


@pytest.mark.slow
def test_what_would_only_fail_in_a_pod_is_reported_before_all_at_once(tmp_path: Path) -> None:
    source = f"data.source={{kind: csv, path: {tmp_path}/rows.csv}}"
    new = f"inference.path={tmp_path}/new.csv"
    config = load(None, [source, new, "kubeflow.root=s3://bucket/runs", "kubeflow.nodes.Transform={gpu: {count: 1}}"])
    with pytest.raises(ConfigurationError) as raised:
        check(config)
    faults = str(raised.value).splitlines()
    assert faults[0].startswith("kubeflow.root: s3://bucket/runs: TensorFlow 2.21 cannot write to s3://; use gs://")
    assert faults[1].startswith(f"data.source.path: {tmp_path}/rows.csv does not exist in a pod; copy it into")
    assert faults[2].startswith(f"inference.path: {tmp_path}/new.csv does not exist in a pod; copy it into")
    assert faults[3].startswith("data.schema_file is missing; `bigvocab schema FILE.yaml` writes")
    assert faults[4] == "kubeflow.nodes.Transform.gpu: only Tuner and Trainer use a GPU; remove the key"
    with pytest.raises(ConfigurationError, match="is not in any of kubeflow.volumes"):
        check(load(None, ["kubeflow.root=/home/me/runs"]))
    compile_pipeline(load(None, ["kubeflow.root=gs://bucket/runs", "kubeflow.volumes=[]"]), tmp_path / "gs.yaml")
    assert "gs://bucket/runs/sotu" in (tmp_path / "gs.yaml").read_text()
    (tmp_path / "schema.pbtxt").touch()
    schema = f"data.schema_file={tmp_path}/schema.pbtxt"
    check(load(None, ["data.source={kind: csv, path: /data/rows.csv}", schema]))


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("kubeflow.secrets=[{name: gcs, env: {key: KEY}}]", "no secret sets BIGVOCAB_METADATA_PASSWORD"),
        ("kubeflow.image=registry/bigvocab:1", "kubeflow.nodes.Trainer.image is still bigvocab:0.1.0-gpu"),
        ("kubeflow.pod.gpu={count: 1}", "kubeflow.pod.gpu: the pod of every node would reserve a GPU"),
        ("kubeflow.pod.workers=2", "kubeflow.pod.workers: other nodes do not train"),
        (
            "kubeflow.nodes.Transform={workers: 2}",
            "kubeflow.nodes.Transform.workers: only Tuner and Trainer run in several pods",
        ),
    ],
)
def test_what_a_default_was_replaced_by_is_looked_at(setting: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        check(load(None, [setting]))


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("kubeflow.pod.memory=1.5Gi", "kubeflow.pod.memory: String should match pattern"),
        ("kubeflow.nodes={Traner: {cpu: '4'}}", "kubeflow.nodes: unknown node 'Traner'; did you mean 'Trainer'?"),
        ("kubeflow.nodes.Trainer.memory=16 GB", "kubeflow.nodes.Trainer.memory: String should match pattern"),
        ("kubeflow.nodes.Trainer.gpus=4", "unknown key kubeflow.nodes.Trainer.gpus; did you mean 'gpu'?"),
        ("metadata={kind: postgresql, host: db}", "metadata: ML Metadata's PostgreSQL client writes broken SQL"),
        ("metadata={kind: mysql}", "metadata.host is missing"),
        ("kubeflow.nodes.Trainer.tolerations=[{operator: Equal, key: a}]", "'Equal' requires 'key' and 'value'"),
    ],
)  # fmt: skip
def test_faults_of_the_cluster_are_reported_by_key(setting: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(None, [setting])
    assert fault in str(raised.value)


@pytest.mark.slow
def test_submit_says_what_it_would_send(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "kubeflow.namespace=team", "--set", "kubeflow.service_account=pipeline-runner"]
    parameters = ["--parameter", "epochs=4", "--parameter", "data_path=/data/new"]
    assert main(["submit", "--dry-run", "--name", "monday", *options, *parameters]) == 0
    said = capsys.readouterr().out
    assert said.startswith("To the cluster that the environment names, 13 tasks: ExampleGen, ")
    sent = dict(line.split(maxsplit=1) for line in said.splitlines()[1:-1])
    assert json.loads(sent["arguments"]) == {"run_name": "monday", "epochs": 4, "data_path": "/data/new"}
    assert (sent["namespace"], sent["service_account"]) == ('"team"', '"pipeline-runner"')
    assert said.endswith("Nothing was sent.\n")
    assert main(["submit", "--dry-run", *options, "--parameter", "epoch=4"]) == 1
    assert "did you mean 'epochs'?" in capsys.readouterr().err


@pytest.mark.slow
def test_submit_sends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import kfp

    sent: dict[str, Any] = {}

    class Client:
        def __init__(self, **where: Any) -> None:
            sent["where"] = where

        def create_run_from_pipeline_package(self, file: str, **request: Any) -> Any:
            sent.update(request, tasks=next(yaml.safe_load_all(Path(file).read_text()))["root"]["dag"]["tasks"])
            return type("Run", (), {"run_id": "7f"})

    monkeypatch.setattr(kfp, "Client", Client)
    assert main(["submit", "--name", "monday", "--set", "kubeflow.host=http://127.0.0.1:8888"]) == 0
    assert capsys.readouterr().out == "Started: monday, run 7f\n"
    assert sent["where"]["host"] == "http://127.0.0.1:8888"
    assert sent["experiment_name"] == "sotu"
    assert len(sent["tasks"]) == 13

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("nobody listens\nand more")

    monkeypatch.setattr(Client, "create_run_from_pipeline_package", refuse)
    assert main(["submit"]) == 1
    assert "rejected the run: nobody listens\n" in capsys.readouterr().err
