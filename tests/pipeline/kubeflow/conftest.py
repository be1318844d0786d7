from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import ForkServer
from tests.kubeflow import mariadb as mariadb_server
from tests.pipeline.kubeflow.pods import Pods


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start a MariaDB server, and yield its settings as the environment of a pod."""
    if reason := mariadb_server.missing():
        pytest.skip(reason)
    with mariadb_server.running(tmp_path_factory.mktemp("mariadb")) as environment:
        yield environment


@pytest.fixture(scope="module")
def run_pod(forks: ForkServer, mariadb: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Pods:
    """Return a function that runs `bigvocab` as a pod does, with that server for its metadata."""
    return Pods(forks, tmp_path_factory.mktemp("pods"), mariadb)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that stands for the shared volume of the cluster."""
    return tmp_path_factory.mktemp("volume")
