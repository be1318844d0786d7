"""Tests of the default preset, compiled for Kubeflow Pipelines. The SDK's orchestrator runs it, one process per task.

Images, volumes, secrets and GPUs are left out. The metadata of the pods are in a real MariaDB server.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from ml_metadata.proto import metadata_store_pb2 as mlmd_proto
from tfx.orchestration import metadata

from components.compat.tfx import channels as tfx_channels
from pipeline.config.sections.metadata import SqliteSpec
from pipeline.metadata.record import DONE, RUN_TYPE, cause_of
from pipeline.metadata.store import connection
from pipeline.nodes import REPORT, node_names
from pipeline.retention import clean
from tests.kubeflow import orchestrator
from tests.pipeline.kubeflow.pods import Ended, Pods
from tests.pipeline.retention.runs import PIPELINE, Runs

kfp = pytest.importorskip("kfp", reason="BIGVOCAB_EXTRAS=kubeflow installs the Kubeflow Pipelines SDK")
pytestmark = pytest.mark.slow

SMALL = [
    "data.share=0.02", "vocabulary={inputs: 1000, labels: 2000}", "evaluation={beat: [popular], bands: {head: 100, "
    "torso: 500}}", "trainer.epochs=1", "trainer.batch=256", "trainer.head.negatives=256",
    "trainer.head.mixture=none",  # Tracing a larger model takes most of a pod's time.
    "trainer.model={kind: shared_projection, context: 8, ordered_ids: 4, hidden: 32, ngrams: 1, num_heads: 0}",
]  # fmt: skip
ABSENT = ("BaseModel", "RollingRange", "AnalyzerCache", "BulkInferrer", "Tuner")
TASKS = [name for name in node_names() if name not in ABSENT]


CompileTo = Callable[..., Path]


@pytest.fixture(scope="module")
def compile_to(shared: Path, run_pod: Pods) -> CompileTo:
    """Return a function that compiles the default preset into a file, with a local folder as the volume."""

    def compile_to(file: Path, *settings: str) -> Path:
        places = [f"kubeflow.root={shared}/runs", f"kubeflow.volumes=[{{claim: bigvocab, path: {shared}}}]"]
        words = [word for setting in [*SMALL, *places, *settings] for word in ("--set", setting)]
        ended = run_pod("compile", *words, "-o", str(file))
        assert ended.code == 0, ended.err
        return file

    return compile_to


@pytest.fixture(scope="module")
def compiled(shared: Path, compile_to: CompileTo) -> Path:
    return compile_to(shared / "pipeline.yaml")


class Cluster:
    """Local orchestrator of kfp. A pod replaces each container, and failed pods are retried.

    Attributes:
        ended: Result of the last pod of each node.
        tries: Number of pods of each node.
        before: Functions to call before the pods of a node start.
    """

    def __init__(self, file: Path, run_pod: Pods, monkeypatch: pytest.MonkeyPatch, outputs: Path) -> None:
        from kfp import components

        self.ended: dict[str, Ended] = {}
        self.tries: Counter[str] = Counter()
        self.before: dict[str, Callable[[], object]] = {}
        orchestrator.start_containers_by(self._pod, monkeypatch, outputs)
        self._run_pod, self._pipeline = run_pod, components.load_component_from_file(str(file))
        self._retries = {
            task["taskInfo"]["name"]: int(task["retryPolicy"]["maxRetryCount"])
            for task in next(yaml.safe_load_all(file.read_text()))["root"]["dag"]["tasks"].values()
        }

    def run(self, **parameters: Any) -> dict[str, Ended]:
        self.ended, self.tries = {}, Counter()
        self._pipeline(**parameters)
        return self.ended

    def _pod(self, _image: str, command: list[str]) -> int:
        _, module, cli, *arguments = command
        assert (module, cli) == ("-m", "pipeline.cli")
        node = arguments[1]
        self.before.get(node, lambda: None)()
        # The local orchestrator does not retry tasks.
        while self.tries[node] <= self._retries[node]:
            self.tries[node] += 1
            self.ended[node] = self._run_pod(*arguments)
            if not self.ended[node].code:
                break
        return self.ended[node].code


@pytest.fixture
def cluster(compiled: Path, run_pod: Pods, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    return Cluster(compiled, run_pod, monkeypatch, tmp_path)


def summary(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "runs" / "sotu" / "report" / "summary.json").read_text())


def versions(shared: Path) -> list[str]:
    return sorted(path.name for path in (shared / "runs" / "sotu" / "serving").iterdir())


def cached(shared: Path) -> set[str]:
    return {node["name"] for node in summary(shared)["nodes"] if node["cached"]}


def test_a_model_is_trained_blessed_and_pushed(cluster: Cluster, shared: Path) -> None:
    ended = cluster.run(run_name="the first")
    assert sorted(ended) == sorted(TASKS)
    assert ended["Pusher"].out.splitlines()[-1].strip().startswith("Pusher")
    found = summary(shared)
    assert (found["blessed"], found["servable"], found["pushed"]) == (True, True, True)
    assert found["metrics"]["recall_at_10"] > found["baselines"]["popular"]["recall_at_10"]
    assert len(versions(shared)) == 1
    assert not cached(shared)
    trainer = next(node for node in found["nodes"] if node["name"] == "Trainer")
    assert trainer["cpu_seconds"] > 1
    assert trainer["peak_bytes"] is None or trainer["peak_bytes"] > 100 << 20, "None where the kernel cannot reset it"


def test_nothing_changed_is_cached(cluster: Cluster, shared: Path) -> None:
    before = versions(shared)
    cluster.run(run_name="the second")
    assert cached(shared) >= set(TASKS) - {"ImportSchemaGen", "Resolver", REPORT}
    assert versions(shared) == before


def test_other_data_are_not_cached_and_a_run_goes_on_after_a_node_that_failed(
    cluster: Cluster, shared: Path, mariadb: dict[str, str]
) -> None:
    """Check that a node that fails is tried again and then fails the run, and that the next run goes on there."""
    transform, away = shared / "runs" / "sotu" / "artifacts" / "Transform", shared / "away"
    cluster.before["Trainer"] = lambda: transform.rename(away)
    try:
        with pytest.raises(RuntimeError):
            cluster.run(settings=["data.share=0.025"])
    finally:
        away.rename(transform)
    assert "ExampleGen" not in cached(shared)
    assert cluster.tries == {name: 3 if name == "Trainer" else 1 for name in cluster.tries}
    assert "Pusher" not in cluster.tries
    # Baselines and the Trainer wait for the same nodes: either may come first.
    done = cluster.tries.keys() - {"Trainer", "ImportSchemaGen", "Resolver", REPORT}
    assert done >= {"ExampleGen", "StatisticsGen", "Transform"}
    cause = cluster.ended["Trainer"].err.split("Trainer failed. ")[1].splitlines()[0]
    assert str(transform) in cause
    last = run_executions(mariadb)[-1]
    assert (last.last_known_state, cause_of(last)) == (mlmd_proto.Execution.FAILED, f"Trainer: {cause}")
    found = summary(shared)
    assert found["failure"] == {"node": "Trainer", "message": cause}, "the report is that of the run that failed"
    assert cause in html.unescape((shared / "runs" / "sotu" / "report" / "report.html").read_text())

    del cluster.before["Trainer"]
    ended = cluster.run(settings=["data.share=0.025"], run_name="mended")
    assert cached(shared) >= done
    assert "Trainer" not in cached(shared)
    assert "last blessed model" in ended["Resolver"].out
    last = run_executions(mariadb)[-1]
    assert (last.last_known_state, cause_of(last)) == (mlmd_proto.Execution.COMPLETE, "")
    assert last.custom_properties["name"].string_value == "mended"


def run_executions(mariadb: dict[str, str]) -> list[mlmd_proto.Execution]:
    """Return the executions of whole runs in the metadata store, the oldest first."""
    with metadata.Metadata(connection(SqliteSpec(), "", mariadb)) as handle:
        return sorted(handle.store.get_executions_by_type(RUN_TYPE), key=lambda execution: execution.id)


def test_pods_at_once_neither_lose_nor_double_an_execution(
    run_pod: Pods, shared: Path, mariadb: dict[str, str]
) -> None:
    """Start six pods at once on an empty database, in which they create tables and shared contexts and types."""
    database = {"BIGVOCAB_METADATA_DATABASE": "bigvocab_at_once"}
    settings = [word for setting in SMALL for word in ("--set", setting)]

    def start(node: str, run_id: str) -> Ended:
        arguments = ("run-node", node, *settings, "--root", f"{shared}/{run_id}", "--run-id", run_id)
        return run_pod(*arguments, environment=database)

    wanted = [(node, run_id) for run_id in ("one", "two", "three") for node in ("ExampleGen", "ImportSchemaGen")]
    with ThreadPoolExecutor(len(wanted)) as pool:
        for ended in pool.map(lambda pair: start(*pair), wanted):
            assert ended.code == 0, ended.err
    with metadata.Metadata(connection(SqliteSpec(), "", {**mariadb, **database})) as handle:
        store = handle.store
        names = {t.id: t.name for t in store.get_execution_types()}
        executions = Counter(
            (context.name, names[execution.type_id].rpartition(".")[2], execution.last_known_state in DONE)
            for context in store.get_contexts_by_type("pipeline_run")
            for execution in store.get_executions_by_context(context.id)
        )
    assert executions == {
        (run_id, kind, done): 1
        for run_id in ("one", "two", "three")
        for kind, done in (("IngestExampleGen", True), ("SchemaImporter", True), ("Run", False))
    }


def test_old_artifacts_are_found_and_deleted(mariadb: dict[str, str], tmp_path: Path) -> None:
    """Check the queries that do not read all executions, which ML Metadata writes in MySQL's SQL too."""
    at = connection(SqliteSpec(), "", {**mariadb, "BIGVOCAB_METADATA_DATABASE": "bigvocab_retention"})
    runs = Runs(tmp_path, at)
    for data in (0, 1, 2, 0, 3):
        runs.run(data, pushed=False)
    [whole] = runs.store.get_contexts_by_type("pipeline")
    trainer = [runs.store.get_context_by_type_and_name("node", f"{PIPELINE}.Trainer"), whole]
    assert len(tfx_channels.executions_in(runs.store, trainer)) == 5
    assert len(tfx_channels.artifacts_in(runs.store, whole.id, kind="Model")) == 4
    removed = clean.clean(runs.store, PIPELINE, runs.paths, 1, alone=False, grace=0.0).artifacts
    assert {artifact.id for artifact in removed} == runs.used["000"] | runs.used["001"]
    assert all(map(runs.present, runs.used["002"] | runs.used["004"]))


@pytest.fixture
def start_task(run_pod: Pods) -> Callable[..., Ended]:
    """Return a function that runs the compiled command of one task. The SDK's orchestrator runs tasks one by one."""

    def start(file: Path, task: str, run_id: str) -> Ended:
        executors = next(yaml.safe_load_all(file.read_text()))["deploymentSpec"]["executors"]
        container = executors[f"exec-{task.lower()}"]["container"]
        values = {"run_id": run_id, "data_path": "", "epochs": "0.2", "run_name": run_id, "settings": "[]"}
        given = [
            re.sub(r"^\{\{\$\.inputs\.parameters\['(\w+)'\]\}\}$", lambda found: values[found[1]], word)
            for word in (*container["command"][3:], *container["args"])
        ]
        return run_pod(*given)

    return start


BEFORE_TRAINING = ("ExampleGen", "ImportSchemaGen", "StatisticsGen", "Defaults", "ExampleValidator", "Transform")


def test_pods_search_side_by_side(start_task: Callable[..., Ended], compile_to: CompileTo, shared: Path) -> None:
    """Run the two tasks of a search in parallel: each runs a trial of the same study."""
    space = "tuner={trials: 2, space: {trainer.learning_rate: {low: 0.001, high: 0.02, log: true}}}"
    pods = "kubeflow.nodes={Tuner: {workers: 2, rendezvous_timeout: 10m}}"
    file = compile_to(shared / "search.yaml", "trainer.seed=3", space, pods)
    for task in BEFORE_TRAINING:
        assert start_task(file, task, "search").code == 0
    with ThreadPoolExecutor(2) as pool:
        chief, other = pool.map(lambda task: start_task(file, task, "search"), ("Tuner", "Tuner-worker-1"))
    assert (chief.code, other.code) == (0, 0), chief.err + other.err
    assert "worker 1 of 2 waits for the chief" in other.out
    assert re.search(r"^  Tuner .*2 trials", chief.out, re.MULTILINE), chief.out
    (file,) = (shared / "runs" / "sotu" / "artifacts" / "Tuner" / "tuner_results").glob("*/trials.json")
    found = json.loads(file.read_text())
    assert [trial["number"] for trial in found["trials"]] == [0, 1]
    assert all(trial["state"] != "running" for trial in found["trials"])
    ran = [{int(n) for n in re.findall(r"^ +trial (\d):", ended.out, re.MULTILINE)} for ended in (chief, other)]
    assert ran == [{0}, {1}] or ran == [{1}, {0}], chief.out + other.out


def test_pods_train_together(start_task: Callable[..., Ended], compile_to: CompileTo, shared: Path) -> None:
    """Run the two tasks of a training in parallel."""
    gpus = "kubeflow.nodes={Trainer: {image: 'bigvocab:0.1.0-gpu', workers: 2, rendezvous_timeout: 10m}}"
    file = compile_to(shared / "together.yaml", "trainer.seed=3", gpus)

    def train(run_id: str) -> list[Ended]:
        for task in BEFORE_TRAINING:
            assert start_task(file, task, run_id).code == 0
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda task: start_task(file, task, run_id), ("Trainer", "Trainer-worker-1")))

    chief, other = train("together")
    assert (chief.code, other.code) == (0, 0), chief.err + other.err
    assert "2 devices of 2 workers" in chief.out
    assert "worker 1 of 2 waits for the chief" in other.out
    chief, other = train("together-again")
    assert (chief.code, other.code) == (0, 0), chief.err + other.err
    assert "cached" in chief.out


def test_a_setting_of_the_run_reaches_its_pods_and_a_wrong_one_stops_it(cluster: Cluster) -> None:
    with pytest.raises(RuntimeError, match="ExampleGen|examplegen|FAILURE"):
        cluster.run(settings=["trainer.epoch=3"])
    (ended,) = (e for e in cluster.ended.values() if e.code)
    assert ended.code == 2
    assert "unknown key trainer.epoch; did you mean 'epochs'?" in ended.err
    with pytest.raises(RuntimeError, match="ExampleGen|examplegen|FAILURE"):
        cluster.run(settings=["trainer.warm_start=true"])
    (ended,) = (e for e in cluster.ended.values() if e.code)
    assert ended.code == 2
    assert "change its tasks (BaseModel)" in ended.err
