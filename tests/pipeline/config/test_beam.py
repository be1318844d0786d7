"""Tests of the selection of the Beam engine."""

from __future__ import annotations

import contextlib
import io
import queue
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from apache_beam.portability.api import beam_fn_api_pb2

from pipeline.beam.pool import Pool
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import check_files, load
from pipeline.config.sections.beam import option_faults
from tests import hosts
from tests.flink.listening import addresses
from tests.forks import ForkServer
from tests.pipeline import engines
from tests.pipeline.kubeflow.pods import Pods

POOL = ["--environment_type=EXTERNAL", "--environment_config=localhost:50000", "--sdk_container_image=none"]
TIMEOUT = "--job_server_timeout=60"
RUNNER = "--runner=pipeline.beam.engine.WatchedRunner"


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("{kind: local}", ["--runner=FnApiRunner", "--sdk_container_image=none"]),
        (
            "{kind: portable, endpoint: 'jobs:8099'}",
            [RUNNER, "--job_endpoint=jobs:8099", "--engine_timeout=60", *POOL, TIMEOUT],
        ),
        (
            "{kind: flink, endpoint: 'jobs:8099', parallelism: 4, timeout: 9, options: {job_name: w, "
            "job_server_timeout: 9}}",
            [RUNNER, "--job_endpoint=jobs:8099", "--engine_timeout=9", "--parallelism=4", *POOL,
             "--job_server_timeout=9", "--job_name=w"],
        ),
        (
            "{kind: flink, master: 'flink:8081', job_server_jar: /opt/jobs.jar, worker_pool: 'pool:1'}",
            ["--runner=FlinkRunner", "--flink_master=flink:8081", "--flink_version=1.20",
             "--flink_job_server_jar=/opt/jobs.jar", "--parallelism=1", POOL[0], "--environment_config=pool:1",
             POOL[2], TIMEOUT],
        ),
        (
            "{kind: dataflow, project: p, region: r, temp_location: gs://b/t, image: i, options: {max_num_workers: 9, "
            "streaming: false}}",
            ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t",
             "--sdk_container_image=i", "--max_num_workers=9"],
        ),
    ],
)  # fmt: skip
def test_beam_gets_what_the_configuration_says(said: str, arguments: list[str]) -> None:
    beam = load(None, [f"beam={said}"]).beam
    assert beam.arguments() == arguments
    assert option_faults(beam) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("{kind: dask}", "kind 'dask': Beam's Dask runner writes wrong splits without an error"),
        ("{kind: prism}", "kind 'prism': Beam downloads its Prism runner"),
        ("{kind: flnk}", "did you mean 'flink'?"),
        ("{kind: flink}", "set either 'endpoint', the address of a job server, or 'master', the REST address of Flink"),
        ("{kind: flink, endpoint: 'a:1', job_server_jar: b}", "'job_server_jar' requires 'master'"),
        ("{kind: portable, endpoint: jobs}", "beam.endpoint"),
        ("{kind: dataflow, project: p, region: r, image: i, temp_location: /tmp}", "beam.temp_location"),
        (
            "{kind: portable, endpoint: 'a:1', options: {job_endpoint: 'b:1'}}",
            "job_endpoint: other keys of beam set this option",
        ),
        ("{kind: portable, endpoint: 'a:1', options: {paralellism: 2}}", "did you mean 'parallelism'?"),
        (
            "{kind: dataflow, project: p, region: r, image: i, temp_location: gs://b, options: {object_reuse: true}}",
            "beam.options.object_reuse: Beam has no such option",
        ),
    ],
)
def test_what_beam_would_stumble_over_is_reported_before(said: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_files(load(None, [f"beam={said}"]))
    assert fault in str(raised.value)


@pytest.mark.slow
def test_an_engine_of_other_hosts_makes_what_this_process_makes_also_after_a_host_was_lost(
    forks: ForkServer, tmp_path: Path
) -> None:
    """The nodes, the job server and the worker pool each have a host; or all have this machine, if it has no hosts."""
    settings = ["data.share=0.02", "vocabulary={inputs: 1000, labels: 2000}"]
    root, missing = tmp_path / "engine", hosts.unavailable()
    with contextlib.ExitStack() as stack:
        network = None if missing else stack.enter_context(hosts.network(3))
        here, of_jobs, of_pool = network.hosts if network else (None, None, None)
        run = Pods(forks, tmp_path / "pods", host=here)
        pool = stack.enter_context(engines.worker_pool(tmp_path / "pool.log", of_pool))

        def on(server: engines.Server) -> list[str]:
            # Unlike with the Java job servers, the timeout of Beam's Python job server also limits the job itself.
            options = "timeout: 10, options: {job_server_timeout: 900}"
            where = f"endpoint: '{server.address}', worker_pool: '{pool.address}'"
            return [*settings, f"beam={{kind: portable, {where}, {options}}}"]

        engines.transform(run, tmp_path / "local", *settings, "beam.kind=local")
        with engines.python_job_server(tmp_path / "jobs.log", of_jobs) as server, ThreadPoolExecutor() as executor:
            engines.transform(run, root, *on(server), nodes=engines.NODES[:-1])
            lost = executor.submit(run, *engines.node_of_run("Transform", root, *on(server)))
            engines.wait_for_writing("Transform", root, lost)
            if network:
                subprocess.run(network.cut(network.hosts[2]), check=True)
            else:
                server.process.kill()
            ended = lost.result()
        assert ended.code == 1
        (cause,) = engines.causes("Transform", ended)
        if network:
            network.restore(network.hosts[2])
            assert cause.startswith(f"Beam's worker pool at {pool.address} has not answered for 10 s: its host or the")
        else:
            assert cause.startswith("The connection to Beam's engine was lost: UNAVAILABLE")
        assert ended.err.splitlines().index(f"Transform failed. {cause}") < ended.err.splitlines().index(
            "Traceback (most recent call last):"
        )
        with engines.python_job_server(tmp_path / "jobs.log", of_jobs) as server:
            engines.transform(run, root, *on(server), nodes=["Transform"])
    engines.assert_equal(tmp_path / "local", root)
    if missing:
        pytest.skip(f"no link between the hosts was cut: {missing}")


@pytest.mark.slow
def test_an_engine_that_does_not_answer_is_reported(forks: ForkServer, tmp_path: Path) -> None:
    nobody = "beam={kind: portable, endpoint: 'localhost:1', options: {job_server_timeout: 1}}"
    run = Pods(forks, tmp_path / "pods")
    ended = run(*engines.node_of_run("ExampleGen", tmp_path / "root", "data.share=0.02", nobody))
    assert ended.code == 1
    assert engines.causes("ExampleGen", ended) == [
        "Beam's engine does not answer: check that its job server is running at the address in `beam`"
    ]


def test_only_this_machine_reaches_the_workers(tmp_path: Path) -> None:
    """Check the bound addresses: anyone who can connect to a worker can execute code."""
    with engines.worker_pool(tmp_path / "pool.log") as pool:
        found = addresses(pool.process.pid)
    assert found
    assert all(address.is_loopback for address in found), found


def test_a_worker_that_dies_is_reported() -> None:
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    pool = Pool(use_process=True, container_executable=shutil.which("false"))
    pool.out = Said(said)
    pool.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"), None)
    assert said.get(timeout=60).startswith("Beam's worker 1-1 died: exit code 1.")


class Said(io.StringIO):
    """Stream that puts its lines into a queue."""

    def __init__(self, lines: queue.SimpleQueue[str]) -> None:
        super().__init__()
        self._lines = lines

    def write(self, line: str) -> int:
        self._lines.put(line)
        return len(line)
