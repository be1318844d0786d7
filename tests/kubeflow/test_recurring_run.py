"""Tests of kubeflow/recurring_run.py against a server that answers like the API of Kubeflow Pipelines."""

# Annotations must be types here, not text, because the SDK reads them.

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
pytest.importorskip("kfp", reason="the extra `kubeflow` is not installed")


@dataclass
class Api:
    """Stub of the API, with its requests and its objects."""

    host: str = ""
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((method, path, body))
        place = path.partition("?")[0].removeprefix("/apis/v2beta1/")
        match method, place.split("/")[0]:
            case "GET", "healthz":
                return {"multi_user": True}
            case "GET", "experiments":
                return {}
            case "POST", "experiments":
                return {**body, "experiment_id": "experiment-1"}
            case "GET", "recurringruns":
                return {"recurringRuns": self.recurring, "total_size": len(self.recurring)}
            case "POST", "recurringruns":
                return {**body, "recurring_run_id": "new"}
            case "DELETE", "recurringruns":
                return {}
        raise AssertionError(f"{method} {path}")

    def sent(self, method: str, place: str) -> list[tuple[str, dict[str, Any]]]:
        return [(path, body) for one, path, body in self.asked if one == method and place in path]


@pytest.fixture
def api() -> Iterator[Api]:
    served = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            said = json.dumps(served.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served.host = f"http://127.0.0.1:{server.server_address[1]}"
        yield served
        server.shutdown()


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a compiled pipeline of one container, with two documents like the output of `bigvocab compile`."""
    from kfp import compiler, dsl, kubernetes

    @dsl.container_component
    def node(epochs: float) -> dsl.ContainerSpec:
        arguments: list[Any] = ["--epochs", epochs]
        return dsl.ContainerSpec(image="bigvocab", command=["bigvocab", "run-node"], args=arguments)

    def mine(epochs: float = 1.0) -> None:
        kubernetes.mount_pvc(node(epochs=epochs), "bigvocab", "/data")

    file = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    compiler.Compiler().compile(dsl.pipeline(name="mine")(mine), str(file))
    return file


def _run(pipeline: Path, api: Api, *arguments: str) -> str:
    command = [sys.executable, ROOT / "kubeflow" / "recurring_run.py", pipeline, "--host", api.host, *arguments]
    # The SDK stores a context in the home folder of the user.
    environment = {**os.environ, "HOME": str(pipeline.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_every_night(pipeline: Path, api: Api) -> None:
    said = _run(pipeline, api, "--parameter", "epochs=2", "--namespace", "mine", "--service-account", "default-editor")
    assert "bigvocab-nightly: recurring run new, 0 0 3 * * *" in said
    ((_, experiment),) = api.sent("POST", "/experiments")
    assert experiment["namespace"] == "mine"
    ((_, sent),) = api.sent("POST", "/recurringruns")
    spec, platform = yaml.safe_load_all(pipeline.read_text())
    assert sent["pipeline_spec"] == {"pipeline_spec": spec, "platform_spec": platform}
    del sent["pipeline_spec"]
    assert sent == {
        "display_name": "bigvocab-nightly",
        "experiment_id": "experiment-1",
        "max_concurrency": 1,
        "mode": "ENABLE",
        "no_catchup": True,
        "runtime_config": {"parameters": {"epochs": 2}},
        "service_account": "default-editor",
        "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}},
    }


def test_one_of_the_same_name_is_replaced(pipeline: Path, api: Api) -> None:
    api.recurring = [
        {"recurring_run_id": "old", "display_name": "bigvocab-nightly"},
        {"recurring_run_id": "another", "display_name": "weekly"},
    ]
    _run(pipeline, api)
    # Only after the new run was accepted: if a cluster refuses it, the old run stays unchanged.
    methods = [method for method, path, _ in api.asked if "/recurringruns" in path]
    assert methods == ["GET", "POST", "DELETE"]
    ((path, _),) = api.sent("DELETE", "/recurringruns")
    assert path.endswith("/recurringruns/old")
