"""Which engine Beam's work is done by."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components.files import matching
from pipeline.beam import option_faults
from pipeline.loading import ConfigurationError, check_files, load
from tests.pipeline.kubeflow.pods import Pods, pods

POOL = ["--environment_type=EXTERNAL", "--environment_config=localhost:50000", "--sdk_container_image=none"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{kind: local}", ["--runner=FnApiRunner", "--sdk_container_image=none"]),
        ("{kind: portable, endpoint: 'jobs:8099'}", ["--runner=PortableRunner", "--job_endpoint=jobs:8099", *POOL]),
        (
            "{kind: flink, endpoint: 'jobs:8099', parallelism: 4, options: {object_reuse: true, job_name: words}}",
            ["--runner=PortableRunner", "--job_endpoint=jobs:8099", "--parallelism=4", *POOL, "--object_reuse",
             "--job_name=words"],
        ),
        (
            "{kind: flink, master: 'flink:8081', job_server: /opt/jobs.jar, workers: 'pool:1'}",
            ["--runner=FlinkRunner", "--flink_master=flink:8081", "--flink_version=1.20",
             "--flink_job_server_jar=/opt/jobs.jar", "--parallelism=1", POOL[0], "--environment_config=pool:1",
             POOL[2]],
        ),
        (
            "{kind: dataflow, project: p, region: r, temp_location: gs://b/t, image: i, options: {max_num_workers: 9, "
            "streaming: false}}",
            ["--runner=DataflowRunner", "--project=p", "--region=r", "--temp_location=gs://b/t",
             "--sdk_container_image=i", "--max_num_workers=9"],
        ),
    ],
)  # fmt: skip
def test_beam_is_told_what_the_configuration_says(said: str, told: list[str]) -> None:
    beam = load(None, [f"beam={said}"]).beam
    assert beam.arguments() == told
    assert option_faults(beam) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("{kind: dask}", "kind 'dask': Beam's Dask runner loses rows without a word"),
        ("{kind: prism}", "kind 'prism': Beam downloads its Prism runner"),
        ("{kind: flnk}", "did you mean 'flink'?"),
        ("{kind: flink}", "either 'endpoint', a job server's address, or 'master', Flink's own"),
        ("{kind: flink, endpoint: 'a:1', job_server: b}", "'job_server' goes with 'master'"),
        ("{kind: portable, endpoint: jobs}", "beam.endpoint"),
        ("{kind: dataflow, project: p, region: r, image: i, temp_location: /tmp}", "beam.temp_location"),
        ("{kind: portable, endpoint: 'a:1', options: {job_endpoint: 'b:1'}}", "job_endpoint is said by the other keys"),
        ("{kind: portable, endpoint: 'a:1', options: {paralellism: 2}}", "did you mean 'parallelism'?"),
        (
            "{kind: dataflow, project: p, region: r, image: i, temp_location: gs://b, options: {object_reuse: true}}",
            "beam.options.object_reuse: Beam has no such option",
        ),
    ],
)
def test_what_beam_would_stumble_over_is_told_before(said: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_files(load(None, [f"beam={said}"]))
    assert fault in str(raised.value)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    """Beam's own job server, with workers in processes of their own: what is told of it as `beam`."""
    jobs = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port", "0"]
    pool = [str(Path(sys.executable).with_name("bigvocab")), "beam-workers", "--port", "0"]
    with (tmp_path / "pool.log").open("w") as log:
        server = subprocess.Popen(jobs, stderr=subprocess.PIPE, text=True)
        workers = subprocess.Popen(pool, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert workers.stdout
            assert server.stderr
            address = workers.stdout.readline().split()[-1]
            said = "".join(itertools.takewhile(lambda line: "Listening for beam jobs" not in line, server.stderr))
            assert server.poll() is None, said
            port = re.search(r"jobs on port (\d+)", server.stderr.readline())
            assert port, "it says so again and again"
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield f"beam={{kind: portable, endpoint: 'localhost:{port[1]}', workers: '{address}'}}"
        finally:
            for process in (server, workers):
                process.terminate()
                process.wait()


@pytest.mark.slow
def test_an_engine_of_other_processes_makes_what_this_one_makes(engine: str, tmp_path: Path) -> None:
    with pods(tmp_path / "pods", {}) as run:
        transform(run, tmp_path / "local", "beam.kind=local")
        transform(run, tmp_path / "engine", engine)
    for name in ("inputs", "labels", "category_party"):
        one, two = (vocabulary(tmp_path / root, name) for root in ("local", "engine"))
        assert one == two, name
    for split in ("train", "eval"):
        raw = [
            sorted(record.numpy() for record in records(tmp_path / root, "ExampleGen/examples", split))
            for root in ("local", "engine")
        ]
        assert raw[0] == raw[1]
        one, two = (transformed(tmp_path / root, split) for root in ("local", "engine"))
        assert len(one) == len(two) > 10
        for a, b in zip(one, two, strict=True):
            assert a[:-1] == b[:-1]
            # Moments are added up in another order.
            np.testing.assert_allclose(a[-1], b[-1], rtol=1e-5)


def transform(run: Pods, root: Path, beam: str) -> None:
    settings = ["data.share=0.02", "vocabulary={inputs: 1000, labels: 2000}", beam]
    words = [word for setting in settings for word in ("--set", setting)]
    for node in ("ExampleGen", "ImportSchemaGen", "StatisticsGen", "ExampleValidator", "Transform"):
        ended = run("run-node", node, "--root", str(root), "--run-id", "one", *words)
        assert ended.code == 0, ended.err


def vocabulary(root: Path, name: str) -> str:
    (graph,) = root.glob("artifacts/Transform/transform_graph/*")
    return Path(str(tft.TFTransformOutput(str(graph)).vocabulary_file_by_name(name))).read_text()


def records(root: Path, of: str, split: str) -> tf.data.TFRecordDataset:
    return tf.data.TFRecordDataset(matching([f"{root}/artifacts/{of}/*/Split-{split}/*"]), "GZIP")


def transformed(root: Path, split: str) -> list[tuple]:
    """Ids, and the one number last; in an order of their own: an engine keeps none."""
    found = []
    for record in records(root, "Transform/transformed_examples", split):
        features = tf.train.Example.FromString(record.numpy()).features.feature
        ids = tuple(tuple(features[name].int64_list.value) for name in sorted(features) if name != "year")
        found.append((*ids, tuple(features["year"].float_list.value)))
    return sorted(found)
