"""Tests of the node on a small model: shards, reasons, faults and what is never answered."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.inference import executor, model, shards
from components.inference.errors import PredictError
from components.inference.executor import BulkInferrerExecutor
from components.inference.node import BulkInferrerNode
from components.inference.results import read_results
from components.inference.spec import InferenceSpec
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import ROWS, same

pytestmark = pytest.mark.slow

Infer = Callable[..., Path]
HEADER = "before,viewed,hour,user\n"
CSV = HEADER + "".join(f"{b[0]},{v[0]},{hour},u{n}\n" for n, (b, v, hour) in enumerate(ROWS))
LOCAL = "--runner=FnApiRunner"
SPREAD = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""The same runner under a name by which the node gives it its ranges one by one, as it gives them to other engines."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.export(tmp_path_factory.mktemp("model") / "1")


@pytest.fixture(scope="module")
def right(tiny: Path) -> list[Any]:
    return tiny_model.answers(tiny, ROWS)


@pytest.fixture
def infer(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Infer:
    """Return a function that runs the executor, and returns the folder of the answers."""
    monkeypatch.setattr(executor, "RANGE_BYTES", 1)
    folders = iter(tmp_path / f"result-{number}" for number in range(9))

    def run(path: Path, runner: str = LOCAL, pushed: bool = True, folder: Path = tiny, **options: Any) -> Path:
        given, result = standard_artifacts.PushedModel(), standard_artifacts.InferenceResult()
        given.uri, result.uri = str(folder), str(next(folders))
        given.set_int_custom_property("pushed", int(pushed))
        given.set_string_custom_property("reason", "" if pushed else "the Evaluator has not blessed it")
        # If an image is set, TFX does not build a source package of itself for remote workers.
        args: list[Any] = [runner, "--sdk_container_image=none"]
        context = base_beam_executor.BaseBeamExecutor.Context(args, str(tmp_path / "tmp"), unique_id="1")
        spec = InferenceSpec(path=str(path), **options).model_dump_json()
        BulkInferrerExecutor(context).Do({"pushed_model": [given]}, {"inference_result": [result]}, {"inference": spec})
        return Path(result.uri)

    return run


def read(folder: Path, name: str = "answers") -> list[Any]:
    """Return the lines of all shards, in order."""
    return [json.loads(line) for file in sorted(folder.glob(f"{name}-*")) for line in file.read_text().splitlines()]


def test_shards_have_the_order_of_the_rows_on_every_engine(infer: Infer, right: list[Any], tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "a.csv").write_text(CSV)
    (rows / "b.jsonl").write_text(tiny_model.JSONL)
    (rows / "c.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (rows / "_SUCCESS").touch()
    (rows / "notes").write_text("no rows")
    folder = infer(rows)
    # The ranges of a.csv are the header and the rows; packed files are one range.
    names = [path.name for path in sorted(folder.iterdir())]
    assert names == [*(f"answers-{n:05d}-of-00008.jsonl" for n in range(8)), "inference.json"]
    assert same(read(folder), right * 3)
    about = read_results(str(folder))
    assert (about["files"], about["rows"], about["unusable"], about["shards"]) == (3, 9, 0, 8)
    other = infer(rows, runner=SPREAD)
    for name in names[:-1]:
        assert (other / name).read_bytes() == (folder / name).read_bytes()


def test_an_unusable_row_keeps_its_place_and_its_reason(infer: Infer, right: list[Any], tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(CSV + ",,1,u3\n" + "i1,i2\n" + CSV.removeprefix(HEADER))
    folder = infer(rows, keep=["user"], top=1)
    answers = read(folder)
    assert [answer.get("user") for answer in answers] == ["u0", "u1", "u2", "u3", None, "u0", "u1", "u2"]
    assert same([answer["labels"] for answer in answers[5:]], [labels[:1] for labels in right])
    assert [answer["labels"] for answer in answers[3:5]] == [None, None]
    reasons = read(folder, "errors")
    assert [(each["answer"], each["file"], each["line"]) for each in reasons] == [
        (1, str(rows), 5), (1, str(rows), 6)
    ]  # fmt: skip
    assert reasons[1]["reason"] == answers[4]["reason"] == "wrong number of cells: 2 cells, the header has 4"
    assert read_results(str(folder))["reasons"][0] == f"{rows}:5: 0 tokens, at least 1 are needed"


def test_a_process_loads_the_model_once(infer: Infer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, loaded, load = tmp_path / "rows.csv", [], model._load
    rows.write_text(CSV)
    monkeypatch.setattr(shards, "_models", {})
    monkeypatch.setattr(model, "_load", lambda folder: loaded.append(folder) or load(folder))
    assert len(read(infer(rows, runner=SPREAD))) == len(ROWS)
    assert len(loaded) == 1


def test_a_model_that_was_not_pushed_answers_nothing(infer: Infer, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(CSV)
    folder = infer(rows, pushed=False)
    assert [path.name for path in folder.iterdir()] == ["inference.json"]
    result = standard_artifacts.InferenceResult()
    result.uri = str(folder)
    line = BulkInferrerNode().line({"inference_result": [result]})
    assert line == "nothing was answered, because the model was not pushed: the Evaluator has not blessed it"


@pytest.mark.parametrize("runner", [LOCAL, SPREAD])
def test_a_file_that_breaks_off_fails_the_node(infer: Infer, tmp_path: Path, runner: str) -> None:
    rows = tmp_path / "rows.csv.gz"
    random = Random(1)  # Text that does not become short: the first blocks of the file are whole.
    lines = "".join(f"i{n},i{n},{n % 24},{random.randbytes(1_000).hex()}\n" for n in range(1_500))
    rows.write_bytes(gzip.compress((HEADER + lines).encode())[:-40_000])
    with pytest.raises(
        PredictError, match=rf"^{rows}: the compressed data breaks off after line [\d,]+: copy"
    ) as raised:
        infer(rows, runner=runner)
    assert "while running" not in str(raised.value)


def test_rows_that_are_all_unusable_fail_the_node(infer: Infer, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(HEADER + ",,1,u1\n,,2,u2\n")
    with pytest.raises(PredictError) as raised:
        infer(rows)
    first, second, third = str(raised.value).splitlines()
    assert first == f"none of the 2 rows of {rows} can be used:"
    assert (second, third) == tuple(f"{rows}:{line}: 0 tokens, at least 1 are needed" for line in (2, 3))


def test_a_missing_feature_is_answered_and_reported(infer: Infer, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(CSV.replace("hour", "hours"))
    (warning,) = read_results(str(infer(rows)))["warnings"]
    assert warning.startswith(f"{rows}:2: no column 'hour'; did you mean 'hours'?")
