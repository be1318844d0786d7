"""Tests that no secret is in anything that a command writes: files, logs, metadata, compiled pipelines, terminal."""

from __future__ import annotations

import importlib.util
import json
import textwrap
from pathlib import Path

import pytest

from pipeline.cli import main
from tests.pipeline.conftest import Bigvocab
from tests.planted import ENVIRONMENT, IN_URI, found_in

SOURCES = '''
"""Sources that show the environment in every way, at two moments of a run."""

import logging
import os
import subprocess
import sys

from components.ingest.sources.base import Source, SourceSpec


def show() -> None:
    text = str(dict(os.environ))
    if "SHOW" in os.environ:  # In a pod, no file of BigVocab has the output of the user's own code.
        print(text, flush=True)
        print(text, file=sys.stderr, flush=True)
        os.write(2, text.encode())
        subprocess.run(["env"], check=True)
    logging.getLogger("urllib3").warning("GET %s", f"https://me:{open('in_uri').read()}@host/?x=1")
    logging.error("with %s", os.environ)
    try:
        raise KeyError(text)
    except KeyError as error:
        logging.exception("failed")
        raise RuntimeError(f"{len(text)} characters: {text}") from error


class FirstSpec(SourceSpec):
    pass


class InRows(Source[FirstSpec]):
    "Source that fails while it reads rows."
    Spec = FirstSpec

    def files(self, base, pattern):
        return ["only"]

    def fingerprint(self, files, base):
        return "1"

    def size(self, files):
        return 0

    def rows(self, file_range, used, lines):
        show()
        yield 1, {"words": "never"}


class InDriver(InRows):
    "Source that fails before that, in the driver, whose errors TFX stores."

    def fingerprint(self, files, base):
        show()
'''
CONFIGURATION = """
name: secrets
data:
  shape: sequence
  source: {kind: "shown:InRows", path: .}
  inputs: [words]
  splits: {train: 2, eval: 1, test: 1}
"""
SCHEMA = 'feature { name: "words" type: BYTES }\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("secrets")
    (made / "tmp").mkdir()
    (made / "shown.py").write_text(SOURCES)
    (made / "mine.yaml").write_text(CONFIGURATION)
    (made / "mine.schema.pbtxt").write_text(textwrap.dedent(SCHEMA))
    (made / "in_uri").write_text(IN_URI)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("run mine.yaml --root rows", 1, "ExampleGen failed. RuntimeError"),
        ("run mine.yaml --root driver --set data.source.kind=shown:InDriver", 1, "RuntimeError"),
        ("run-node ExampleGen mine.yaml --root pod --run-id 1", 1, "ExampleGen failed. RuntimeError"),
        ("report mine.yaml --root rows", 0, "failed"),
        ("doctor --root doctor", 0, ""),
        ("run mine.yaml --root mysql --set metadata={kind: mysql, host: 127.0.0.1, port: 1}", 1, "cannot connect"),
        ("sql", 1, "cannot be read"),
        ("compile mine.yaml -o compiled.yaml --set data.source.path=/data", 0, ""),
        ("submit mine.yaml --set kubeflow.host=http://127.0.0.1:1 --set data.source.path=/data", 1, "rejected the run"),
    ],
)
def test_no_secret_of_the_environment_is_written(
    folder: Path, bigvocab: Bigvocab, command: str, code: int, said: str
) -> None:
    needs = {"sql": "psycopg", "compile": "kfp", "submit": "kfp"}.get(command.split()[0])
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed (extras kubeflow, sql)")
    before, *settings = command.split(" --set ")
    words = [*before.split(), *(word for setting in settings for word in ("--set", setting))]
    if command == "sql":
        source = json.dumps({"kind": "sql", "uri": "postgresql://me@127.0.0.1:1/db", "query": "SELECT 1"})
        words = ["run", "mine.yaml", "--root", "sql", "--set", f"data.source={source}"]
    environment = {**ENVIRONMENT, "TMPDIR": str(folder / "tmp"), "PROXY": f"http://me:{IN_URI}@127.0.0.1:1"}
    if words[0] != "run-node":
        environment["SHOW"] = "1"
    ended = bigvocab(*words, folder=folder, environment=environment)
    output = ended.stdout + ended.stderr
    assert (ended.returncode, said in output) == (code, True), output
    planted = frozenset({folder / "in_uri"})
    found = found_in(folder, {"standard output": ended.stdout, "standard error": ended.stderr}, planted)
    assert found == [], "\n".join(found)
    if command.startswith("run mine.yaml --root rows"):
        (log,) = (folder / "rows" / "logs").iterdir()
        assert "BIGVOCAB_METADATA_PASSWORD" in log.read_text(errors="replace"), "the source has shown nothing"


@pytest.mark.parametrize(
    "setting",
    [
        "data.source.path=s3://me:{}@bucket/rows.csv",
        "data.source.path=https://host/rows.csv?X-Amz-Signature={}",
        "data.schema_file=https://me:{}@host/schema.pbtxt",
        "inference.path=https://host/rows.csv?token={}",
        "kubeflow.host=https://me:{}@host/pipeline",
        "kubeflow.root=s3://me:{}@bucket/runs",
        "kubeflow.metadata.host=mysql://me:{}@host",
        "kubeflow.metadata.password={}",
        "metadata={{kind: mysql, host: host, password: {}}}",
        "metadata={{kind: mysql, host: 'me:{}@host'}}",
        "beam={{kind: dataflow, options: {{s3_secret_access_key: {}}}}}",
        "beam={{kind: portable, endpoint: 'h:1', options: {{artifact_endpoint: 'http://me:{}@host'}}}}",
        "beam={{kind: portable, endpoint: 'me:{}@host:1'}}",
        "beam={{kind: flink, master: 'h:1', job_server_jar: 'https://me:{}@host/job.jar'}}",
        "evaluation.nothing=https://me:{}@host",
        "me:{}@host",
    ],
)
@pytest.mark.parametrize("place", ["setting", "file"])
def test_a_secret_in_the_configuration_is_refused_and_not_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], setting: str, place: str
) -> None:
    setting = setting.format(IN_URI)
    words = ["run", "lstm", "--root", str(tmp_path / "root"), "--set", setting]
    if place == "file":
        key, _, value = setting.partition("=")
        *above, last = key.split(".")
        text = f"{last}: {value}" if value else f"{last}"
        for name in reversed(above):
            text = f"{name}:\n" + textwrap.indent(text, "  ")
        (tmp_path / "mine.yaml").write_text(f"name: mine\n{text}\n")
        words = ["run", str(tmp_path / "mine.yaml"), "--root", str(tmp_path / "root")]
    assert main(words) == 2
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    assert (
        found_in(tmp_path, {"standard output": out, "standard error": err}, frozenset({tmp_path / "mine.yaml"})) == []
    )


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "--model", "https://me:{}@host/model", "text"],
        ["predict", "--input", "https://host/rows.csv?sig={}"],
        ["run", "https://me:{}@host/mine.yaml"],
        ["run", "lstm", "--infer", "https://host/rows.csv?sig={}"],
        ["init", "https://me:{}@host/rows.csv"],
        pytest.param(["submit", "lstm", "--parameter", "data_path=s3://me:{}@bucket/rows"], marks=pytest.mark.slow),
    ],
)
def test_a_secret_in_the_command_is_not_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    if words[0] == "submit":
        pytest.importorskip("kfp")
    monkeypatch.chdir(tmp_path)
    assert main([word.format(IN_URI) for word in words]) in (1, 2)
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    assert found_in(tmp_path, {"standard output": out, "standard error": err}) == []
