"""Tests of the output file and of the files that a failure leaves."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from components.inference import model
from pipeline.cli import main
from pipeline.cli.prediction.answer_files import AnswerFile
from tests.components.crashes import disk_under
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import GOOD, JSONL, ROWS, same
from tests.pipeline.conftest import Ask


def files() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def test_an_output_file_holds_the_answers_and_the_reasons_are_beside_it(ask_rows: Ask, tiny: Path) -> None:
    content = b"\n".join([*GOOD, b"", *[b"[]"] * 30])
    code, found, error = ask_rows("rows.jsonl", content, "--output", "out.jsonl")
    assert (code, found) == (0, [])
    answers = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert same(answers, [*tiny_model.answers(tiny, ROWS), *[None] * 30])
    reasons = [json.loads(line) for line in Path("out.jsonl.errors.jsonl").read_text().splitlines()]
    assert [(r["answer"], r["line"]) for r in reasons] == [(n, n + 1) for n in range(4, 34)]
    assert reasons[0]["reason"] == "not a JSON object: a list where an object belongs"
    assert error.splitlines()[-1].startswith("bigvocab: 30 of 33 rows cannot be used and have no answer; all reasons: ")
    assert files() == ["out.jsonl", "out.jsonl.errors.jsonl", "rows.jsonl"]
    # Errors of an earlier call must not stay beside answers without errors.
    assert ask_rows("rows.jsonl", JSONL, "--output", "out.jsonl")[0] == 0
    assert files() == ["out.jsonl", "rows.jsonl"]
    assert len(Path("out.jsonl").read_text().splitlines()) == 3


def test_answers_are_old_or_new_after_a_crash_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.jsonl").write_bytes(b"old")
    with disk_under(tmp_path, monkeypatch) as disk:
        file = AnswerFile(tmp_path / "out.jsonl")
        file.write(b"new")
        file.unusable({"line": 1})
        file.commit()
        for moment, *trees in disk.moments:
            for tree in trees:
                assert tree["out.jsonl"] in (b"old", b"new"), moment
                expected = (b'{"line": 1}\n',) if tree["out.jsonl"] == b"new" else (b'{"line": 1}\n', None)
                assert tree.get("out.jsonl.errors.jsonl") in expected, moment
        assert disk.after_crash() == {"out.jsonl": b"new", "out.jsonl.errors.jsonl": b'{"line": 1}\n'}


def test_a_failure_leaves_the_earlier_output_file(ask_rows: Ask) -> None:
    Path("out.jsonl").write_text("earlier")
    assert ask_rows("rows.jsonl", "[]\n", "--output", "out.jsonl")[0] == 1
    assert Path("out.jsonl").read_text() == "earlier"
    assert files() == ["out.jsonl", "rows.jsonl"]


class Failing:
    """Model that calls a function at its second batch."""

    def __init__(self, at_second: Callable[[], None]) -> None:
        self.signatures = {"serving_default": self.serve}
        self._calls = 0
        self._at_second = at_second

    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        self._calls += 1
        if self._calls == 2:
            self._at_second()
        return {"labels": tf.fill([len(examples), 1], "L"), "probabilities": tf.ones([len(examples), 1])}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_output_file(ask_rows: Ask, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing = Failing(lambda: os.kill(os.getpid(), number))
    monkeypatch.setattr(model, "_load", lambda folder: failing)
    before = signal.getsignal(signal.SIGTERM)
    # A shell makes its background jobs ignore Ctrl-C, and the test may be such a job.
    ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, found, error = ask_rows("rows.jsonl", b"[]\n" + JSONL.encode() * 100, "--output", "out.jsonl")
    finally:
        signal.signal(signal.SIGINT, ctrl_c)
    assert (code, found) == (130, [])
    assert error.endswith("bigvocab: interrupted\n")
    assert files() == ["rows.jsonl"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_unexpected_error_of_the_model_is_not_hidden(ask_rows: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise tf.errors.InternalError(None, None, "unexpected")

    monkeypatch.setattr(model, "_load", lambda folder: Failing(fail))
    code, found, error = ask_rows("rows.jsonl", JSONL * 100, "--output", "out.jsonl")
    assert (code, found) == (1, [])
    assert re.fullmatch("bigvocab: /.*: the model fails: unexpected\n", error)
    assert files() == ["rows.jsonl"]


def test_a_full_disk_is_reported_in_a_line(ask_rows: Ask) -> None:
    code, found, error = ask_rows("rows.jsonl", JSONL, "--output", "/dev/full")
    assert (code, found, error) == (1, [], "bigvocab: /dev/full: No space left on device\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    Path("rows.jsonl").write_text(JSONL * 300)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        code, found, error = ask_rows("rows.jsonl", None, "--output", "out.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, found) == (1, [])
    assert error.endswith("out.jsonl: File too large\n")
    assert error.count("\n") == 1
    assert files() == ["rows.jsonl"]


def test_an_unusable_text_is_shown_as_such(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tiny_model.export(tmp_path / "1", {**tiny_model.DATA, "inputs": ["viewed"]})
    assert main(["predict", "--model", str(model), "i1", "", "i2", "--top", "1"]) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert [lines[0], *lines[2:5]] == ["i1", "", "  no answer", "i2"]
    assert err.splitlines() == [
        "text 2: 0 tokens, at least 1 are needed",
        "bigvocab: 1 of 3 texts cannot be used and have no answer",
    ]
    assert main(["predict", "--model", str(model), ""]) == 1
    out, err = capfd.readouterr()
    assert out == "\n  no answer\n"
    assert err.splitlines()[-1] == "bigvocab: none of the 1 texts of the command can be used: the reasons are above"


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(JSONL * 3_000)
    command = f"{sys.executable} -m pipeline.cli predict --model {tiny} --input rows.jsonl | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answer, code = done.stdout.splitlines()
    assert same([json.loads(answer)], tiny_model.answers(tiny, ROWS[:1]))
    assert (code, done.stderr) == ("0", "")
