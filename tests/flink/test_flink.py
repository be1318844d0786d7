"""Tests on a real Flink: two task managers on this machine run BigVocab's nodes.

If Flink or Beam's job server cannot be downloaded, these tests are skipped and the reason is shown.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache_beam.utils.subprocess_server import JavaHelper

from tests.flink import fetching, job_server, sql
from tests.flink.cluster import Cluster, running
from tests.flink.listening import addresses
from tests.forks import ForkServer
from tests.pipeline import engines
from tests.pipeline.kubeflow.pods import Pods

pytestmark = pytest.mark.slow

SETTINGS = ["data.share=0.25"]
"""The share of the default data that `--quick` takes."""


@pytest.fixture(scope="module")
def home() -> Path:
    if shutil.which(JavaHelper.get_java()) is None:
        pytest.skip("Flink needs Java, which is not installed")
    try:
        return fetching.flink()
    except fetching.Unfetched as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def jar() -> Path:
    try:
        return fetching.job_server()
    except fetching.Unfetched as missing:
        pytest.skip(str(missing))


@pytest.fixture
def cluster(home: Path, tmp_path: Path) -> Iterator[Cluster]:
    with running(home, tmp_path / "flink") as found:
        yield found


@pytest.fixture
def beam(jar: Path, cluster: Cluster, tmp_path: Path) -> Iterator[str]:
    """Yield the setting `beam` for the cluster."""
    with engines.worker_pool(tmp_path / "pool.log") as pool, job_server.serving(jar, cluster) as jobs:
        yield f"beam={{kind: flink, endpoint: '{jobs}', worker_pool: '{pool.address}', parallelism: 2}}"


@pytest.fixture(scope="module")
def run(jar: Path, forks: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Pods:
    """Return pods. Request the jar first, so that no pods start if it is missing."""
    return Pods(forks, tmp_path_factory.mktemp("pods"))


@pytest.fixture(scope="module")
def local(run: Pods, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a run with the local engine."""
    root = tmp_path_factory.mktemp("local")
    engines.transform(run, root, *SETTINGS, "beam.kind=local")
    return root


def test_flink_makes_what_the_local_engine_makes(beam: str, run: Pods, local: Path, tmp_path: Path) -> None:
    engines.transform(run, tmp_path / "flink-run", *SETTINGS, beam)
    engines.assert_equal(local, tmp_path / "flink-run")


def test_a_task_manager_may_be_lost(beam: str, cluster: Cluster, run: Pods, local: Path, tmp_path: Path) -> None:
    """Check that the job recovers or fails with its cause in one line, and that the next run has complete output."""
    root = tmp_path / "flink-run"
    engines.transform(run, root, *SETTINGS, beam, nodes=engines.NODES[:-1])
    transform = engines.node_of_run("Transform", root, *SETTINGS, beam)
    with ThreadPoolExecutor() as executor:
        transformed = executor.submit(run, *transform)
        cluster.kill_at_work(transformed.done)
        ended = transformed.result()
    if ended.code:
        assert len(engines.causes("Transform", ended)) == 1, ended.err
        ended = run(*transform)
    assert ended.code == 0, ended.err
    engines.assert_equal(local, root)


def test_two_task_managers_that_only_this_machine_reaches(cluster: Cluster) -> None:
    assert set(cluster.task_managers()) == {"taskmanager-1", "taskmanager-2"}
    for name, process in cluster.processes.items():
        found = addresses(process.pid)
        assert found, name
        assert all(address.is_loopback for address in found), (name, found)
    cluster.kill("taskmanager-1")
    cluster.until(lambda: set(cluster.task_managers()) == {"taskmanager-2"}, "notice that one is gone")


def test_a_job_outlives_a_task_manager(home: Path, cluster: Cluster, tmp_path: Path) -> None:
    """Check the fault tolerance of the cluster with a plain Flink job."""
    if "jdk.compiler" not in subprocess.check_output([JavaHelper.get_java(), "--list-modules"], text=True):
        pytest.skip("the installed Java has no compiler: a JDK is needed")
    job = sql.count_slowly(home, cluster, tmp_path)
    try:
        cluster.kill_at_work(lambda: job.poll() is not None)
        assert job.wait() == 0, (tmp_path / "sql.log").read_text()
    finally:
        job.kill()
        job.wait()
    assert sql.counted(tmp_path) == [(number, 1) for number in range(1, 43)]
