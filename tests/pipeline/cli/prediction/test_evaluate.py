"""Tests of `bigvocab evaluate` with a model whose sums are known. Whole runs compare it with the Evaluator."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from components.inference import model
from components.ingest.spec import DataSpec
from components.metrics.targets import label_target
from components.report.summary import Summary
from pipeline.cli import main

DATA: dict[str, Any] = {
    "shape": "labelled",
    "source": {"kind": "csv", "path": "rows.csv"},
    "inputs": ["viewed"],
    "label": "bought",
    "tokenizer": "none",
    "features": {"hour": {"kind": "number"}},
    "slices": ["shop", "hour"],
    "split_by": ["user"],
}
NLL = 0.5
Evaluate = Callable[..., tuple[int, str, str]]


def sums(examples: tf.Tensor, names: tuple[str, ...]) -> dict[str, tf.Tensor]:
    """Return sums of a model whose rank of a label is the number in it, and that does not know the label `?`."""
    bought: Any = tf.io.parse_example(examples, {"bought": tf.io.FixedLenFeature([], tf.string)})["bought"]
    known = bought != "?"
    rank = tf.strings.to_number(tf.where(known, bought, "1000"))
    values = {
        "count": tf.ones_like(rank),
        "known": tf.cast(known, tf.float32),
        "nll": tf.where(known, NLL * rank, 0.0),
        **{f"hit_{k}": tf.cast(rank <= k, tf.float32) for k in (1, 10, 20)},
        "rr_10": tf.where(rank <= 10, 1 / rank, 0.0),
    }
    return {name: values.get(name.removesuffix("_head"), tf.zeros_like(rank)) for name in names}


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Evaluate:
    """Return a function that evaluates rows, and returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model" / "assets.extra").mkdir(parents=True)
    about = tmp_path / "model" / "assets.extra" / "bigvocab.json"
    about.write_text(json.dumps({"data": DATA, "top_k": 5}))
    every = label_target(DataSpec.model_validate(DATA)).sum_names
    lacking: list[str] = []

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return sums(examples, tuple(name for name in every if not name.startswith(tuple(lacking) or "-")))

    monkeypatch.setattr(model, "_load", lambda folder: SimpleNamespace(signatures={"eval": serve}))

    def evaluated(
        rows: list[Any] | str, *options: str, file: str = "rows.jsonl", without: str = "", **extra: Any
    ) -> tuple[int, str, str]:
        lacking[:] = [without] if without else []
        about.write_text(json.dumps({"data": DATA, "top_k": 5, **extra}))
        Path(file).write_text(rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows))
        capfd.readouterr()
        code = main(["evaluate", "--model", "model", file, *options])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return evaluated


def row(bought: Any, shop: str | None = "north", **others: Any) -> dict[str, Any]:
    return {"viewed": "a", "bought": bought, "shop": shop, "hour": 3.5, **others}


ROWS = [row("1"), row("2", "south"), row("15"), row("?"), row("1", None)] * 100
"""More rows than a batch has."""


def test_the_table_and_the_slices_are_printed(evaluate: Evaluate) -> None:
    code, out, err = evaluate(ROWS)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    nll = NLL * (1 + 2 + 15 + 1) / 4
    figures = [0.4, 0.6, 0.8, 0.5, nll]
    assert lines[0] == "rows.jsonl, full softmax, 500 labels:"
    assert lines[2].split() == ["model", *(f"{figure:.3f}" for figure in figures), f"{math.exp(nll):.1f}"]
    assert lines[3:5] == ["", "By hour:"]
    assert lines[6].split()[:2] == ["3.5", "500"]
    assert lines[8] == "By shop:"
    assert [line.split()[:3] for line in lines[10:12]] == [["north", "300", "0.333"], ["south", "100", "0.000"]]
    assert lines[-1].startswith("Model: model. Its baselines are counted on the train split")


def test_the_output_is_a_summary(evaluate: Evaluate) -> None:
    code, out, err = evaluate([*ROWS, row(""), {"viewed": "a"}], "--output", "out.json")
    assert code == 0
    found = json.loads(Path("out.json").read_text())
    assert found["rows"] == {"read": 502, "measured": 500, "unusable": 2}
    assert (found["model"], found["name"], found["format"]) == ("model", "rows.jsonl", 1)
    assert found["metrics"] | {"count": 500, "known": 400, "recall_at_10": 0.6} == found["metrics"]
    assert found["bands"]["head"]["count"] == 500
    assert found["bands"]["tail"]["nll"] is None
    assert [(entry["slice"], entry["value"], entry["metrics"]["count"]) for entry in found["slices"]] == [
        ("hour", 3.5, 500),
        ("shop", "north", 300),
        ("shop", "south", 100),
    ]
    assert not {"baselines", "blessed", "pushed", "nodes"} & found.keys()
    assert Summary.read(Path("out.json")).metrics
    assert out.splitlines()[0] == "rows.jsonl, full softmax, 500 labels:"
    reasons = [json.loads(line) for line in Path("out.json.errors.jsonl").read_text().splitlines()]
    assert [(reason["row"], reason["line"]) for reason in reasons] == [(501, 501), (502, 502)]
    assert "rows.jsonl:501: bought: no label: column 'bought' is empty" in err
    assert "rows.jsonl:502: bought: missing column: no column 'bought'" in err
    assert err.splitlines()[-1].startswith("bigvocab: 2 of 502 rows cannot be used and are not measured; all reasons: ")


def test_json_alone_goes_to_standard_output(evaluate: Evaluate) -> None:
    code, out, err = evaluate(ROWS, "--output", "-")
    assert (code, err) == (0, "")
    assert json.loads(out)["metrics"]["count"] == 500


def test_a_file_without_the_label_is_refused_before_its_rows_are_read(evaluate: Evaluate) -> None:
    code, out, err = evaluate("viewed,bougth\na,1\n", file="rows.csv")
    assert (code, out) == (1, "")
    assert "bigvocab: rows.csv: no column 'bought'; did you mean 'bougth'?" in err


def test_features_and_slices_may_be_missing_from_a_header(evaluate: Evaluate) -> None:
    code, out, err = evaluate("viewed,bought,shopp\na,1,north\n", file="rows.csv")
    assert code == 0
    assert err == "rows.csv:2: no column 'shop'; did you mean 'shopp'? Rows without it are in none of its slices.\n"
    assert "By shop" not in out


@pytest.mark.parametrize(
    ("rows", "code", "reason"),
    [
        ("", 1, "rows.jsonl has no rows: nothing to measure"),
        ('{"viewed": "a"}\n' * 2, 1, "none of the 2 rows of rows.jsonl can be used: the reasons are above"),
    ],
)
def test_nothing_to_measure_is_a_failure(evaluate: Evaluate, rows: str, code: int, reason: str) -> None:
    found, out, err = evaluate(rows, "--output", "out.json")
    assert (found, out) == (code, "")
    assert err.splitlines()[-1] == f"bigvocab: {reason}"
    assert not Path("out.json").exists()


def test_files_are_named_without_an_option(evaluate: Evaluate) -> None:
    evaluate(ROWS)
    assert main(["evaluate", "--model", "model", "rows.jsnl"]) == 2


def test_sums_that_an_older_model_lacks_leave_a_metric_out(evaluate: Evaluate) -> None:
    code, out, _ = evaluate(ROWS, without="hit_20")
    assert code == 0
    heads, model_row = (line.split() for line in out.splitlines()[1:3])
    assert model_row[1 + heads.index("recall@20")] == "-"
    assert model_row.count("-") == 1


def test_a_metric_of_ones_own_that_is_not_installed_is_left_out(evaluate: Evaluate) -> None:
    code, out, err = evaluate(ROWS, metrics=["nowhere.metrics:OWN"])
    assert code == 0
    assert err.startswith("metric nowhere.metrics:OWN is left out: No module named 'nowhere'")
    assert "500 labels" in out
