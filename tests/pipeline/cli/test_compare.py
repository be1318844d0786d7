"""Tests of `bigvocab compare` with models whose sums are known. A whole run compares a real model with itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import pytest
import tensorflow as tf

from components.inference import model
from components.ingest.spec import DataSpec
from components.metrics.targets import label_target
from pipeline.cli import main
from tests.browser import opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DATA: dict[str, Any] = {
    "shape": "labelled",
    "source": {"kind": "csv", "path": "rows.csv"},
    "inputs": ["viewed"],
    "label": "bought",
    "tokenizer": "none",
    "slices": ["shop"],
}
FACTORS = {"1": 1, "2": 2}
"""Rank of the label `n` in the answers of each version, as a multiple of n."""
Compare = Callable[..., tuple[int, str, str]]


def serve(factor: int, names: tuple[str, ...]) -> SimpleNamespace:
    """Return a model that ranks the label n at the place n times the factor, among labels `x`."""

    def ranks(examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        bought: Any = tf.io.parse_example(examples, {"bought": tf.io.FixedLenFeature([], tf.string)})["bought"]
        return bought, tf.strings.to_number(bought) * factor

    def sums(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        rank = ranks(examples)[1]
        values = {"count": tf.ones_like(rank), "known": tf.ones_like(rank), "nll": rank / 10}
        values |= {f"hit_{k}": tf.cast(rank <= k, tf.float32) for k in (1, 5, 10, 20)}
        return {name: values.get(name.removesuffix("_head"), tf.zeros_like(rank)) for name in names}

    def answers(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        bought, rank = ranks(examples)
        places = tf.range(1, 11, dtype=tf.float32)
        labels = tf.where(places == rank[:, None], bought[:, None], tf.strings.join(["x", tf.as_string(places)]))
        return {"labels": labels, "probabilities": tf.repeat(1 / places[None] / 10, len(labels), axis=0)}

    return SimpleNamespace(signatures={"eval": sums, "serving_default": answers})


def push(root: str, version: str, **changes: Any) -> None:
    """Write a version whose model `serve` answers."""
    folder = Path(root, "serving", version)
    (folder / "assets.extra").mkdir(parents=True, exist_ok=True)
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "labels").write_text("9 1\n8 2\n")
    about = {"data": {**DATA, **changes}, "top_k": None if changes.get("label_kind") == "number" else 10}
    (folder / "assets.extra" / "bigvocab.json").write_text(json.dumps(about))


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Compare:
    """Return a function that compares, and returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for version in FACTORS:
        push("runs/shop", version)
    names = label_target(DataSpec.model_validate(DATA)).sum_names
    monkeypatch.setattr(model, "_load", lambda folder: serve(FACTORS[Path(folder).name], names))
    rows = [{"viewed": "a", "bought": str(n % 8 + 1), "shop": "north" if n % 2 else "south"} for n in range(80)]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def compared(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["compare", *arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return compared


ONE, TWO = "runs/shop/serving/1", "runs/shop/serving/2"
ROWS = ("--rows", "rows.jsonl")


def test_versions_of_a_run_are_compared_on_the_rows_of_a_file(compare: Compare) -> None:
    code, out, err = compare(ONE, TWO, *ROWS, "--json", "found.json", "--page", "found.html")
    assert (code, err) == (0, "")
    found = json.loads(Path("found.json").read_text())
    assert [each["name"] for each in found["models"]] == ["version 1", "version 2"]
    assert (found["measured"], found["settings"]) == (80, [])
    whole, *_ = found["groups"]
    # Labels 1 to 8: the first version finds all of them in the first ten, the second one 1 to 5.
    assert [each["recall_at_10"] for each in whole["models"]] == [1.0, 0.625]
    recall = next(margin for margin in whole["margins"][0] if margin["metric"] == "recall_at_10")
    assert recall["value"] == -0.375
    assert recall["low"] < -0.375 < recall["high"] < 0
    assert [g["value"] for g in found["groups"] if g["kind"] == "slice"] == ["north", "south"]
    (cases,) = found["cases"]
    assert (cases["rows_first"], cases["rows_other"], cases["other_right"]) == (30, 0, [])
    first = cases["first_right"][0]
    assert (first["truth"], first["answers"][0]["rank"], first["answers"][1]["rank"]) == (["6"], 6, None)
    assert "version 1 right in the first ten, version 2 not" in out
    page = Path("found.html").read_text()
    assert "version 2 against version 1" in page
    assert "<script" not in page
    assert "http" not in page.replace("https://www.w3.org", "")


def test_the_page_fits_a_phone_and_follows_the_scheme(compare: Compare, browser: Browser) -> None:
    assert compare(ONE, TWO, *ROWS, "--page", "found.html")[0] == 0
    inks, windows = set(), {"light": 1120, "dark": 400}
    scheme: Literal["light", "dark"]
    for scheme in ("light", "dark"):
        width = windows[scheme]
        with opened(browser, Path("found.html").resolve().as_uri(), scheme=scheme, width=width) as page:
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.evaluate("performance.getEntriesByType('resource').length") == 0
            assert "version 2 against version 1" in page.get_by_role("heading", level=1).inner_text()
            recall = page.get_by_role("row", name=re.compile("recall@10")).first
            assert "0.625" in recall.inner_text()
            inks.add(recall.evaluate("element => getComputedStyle(element).color"))
            wider = "[...document.querySelectorAll('.scroll')].filter(of => of.scrollWidth > of.clientWidth).length"
            assert width < 1000 or page.evaluate(wider) == 0
            names = page.evaluate("[...document.querySelectorAll('.scroll')].map(of => of.ariaLabel)")
            assert all(names)
            assert len(set(names)) == len(names) > 1
    assert len(inks) == 2


def test_a_root_is_its_newest_version_and_a_row_is_left_out_for_all_if_one_model_cannot_read_it(
    compare: Compare,
) -> None:
    push("runs/other", "1", inputs=["seen"])
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    more = [{**row, "seen": "b"} for row in rows] + rows[:3]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more))
    code, out, err = compare("runs/other", "runs/shop", *ROWS, "--json", "-")
    assert code == 0
    found = json.loads(out)
    assert [each["version"] for each in found["models"]] == ["runs/other/serving/1", "runs/shop/serving/2"]
    assert [each["unusable"] for each in found["models"]] == [3, 0]
    assert found["measured"] == 80
    assert found["settings"] == [{"key": "data.inputs", "values": [["seen"], ["viewed"]]}]
    assert "rows.jsonl:81: not for other: seen: missing column" in err
    assert "Rows that a model cannot read are left out for all models: other 3." in found["notes"]


def test_labels_that_differ_are_explained(compare: Compare) -> None:
    Path(TWO, "assets", "labels").write_text("9 1\n8 3\n7 4\n")
    code, out, _ = compare(ONE, TWO, *ROWS)
    assert code == 0
    assert "2 labels only version 2 and 1 only version 1 knows" in out
    assert "Rows whose labels all models know, 80 rows:" in out


def write_summary(root: str, recall: float, nll: float) -> None:
    place = Path(root, "report", "summary.json")
    place.parent.mkdir(parents=True)
    metrics = {"nll": nll, "perplexity": 2.718281828**nll, "recall_at_10": recall, "count": 100, "known": 100}
    summary = {"name": "shop", "finished": "2026-11-01T10:00:00+00:00", "seconds": 60.0, "metrics": metrics}
    place.write_text(json.dumps({**summary, "bands": {"head": metrics}, "pushed": False}))


def test_summaries_without_models_are_compared_without_intervals(compare: Compare) -> None:
    write_summary("runs/one", 0.5, 3.0)
    write_summary("runs/two", 0.6, 2.9)
    code, out, err = compare("runs/one", "runs/two/report/summary.json", "--json", "found.json")
    assert (code, err) == (0, "")
    found = json.loads(Path("found.json").read_text())
    assert found["measured"] is None
    margins = {margin["metric"]: margin for margin in found["groups"][0]["margins"][0]}
    assert margins["recall_at_10"]["value"] == pytest.approx(0.1)
    assert margins["perplexity"]["value"] == pytest.approx(2.718281828**-0.1)
    assert margins["recall_at_10"]["low"] is None
    assert [group["kind"] for group in found["groups"]] == ["all", "band"]
    assert "Without intervals and rows: one has no model any more" in out
    assert compare("runs/one", "runs/two", *ROWS)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((ONE,), "name at least two runs or versions"),
        ((ONE, "runs/shopp"), "runs/shopp: no such run, version or preset; did you mean 'shop'?"),
        ((ONE, "lstmm"), "lstmm: no such run, version or preset; did you mean 'lstm'?"),
        ((ONE, "lstm"), "runs/lstm does not exist; `bigvocab run lstm` creates it"),
        (("runs/shop", TWO, *ROWS), "is named twice"),
        ((ONE, TWO), "the test rows of version 1 and version 2 were not found"),
        ((ONE, TWO, "--rows", "-"), "standard input can be read only once"),
        ((ONE, TWO, "--rows", "rows.jsn"), "did you mean 'rows.jsonl'?"),
        ((ONE, "runs/number", *ROWS), "runs/shop/serving/1 answers one class, and runs/number/serving/1 a number"),
        ((ONE, "rows.jsonl"), "rows.jsonl is no summary of a run"),
        ((ONE, TWO, *ROWS, "--examples", "-1"), "--examples -1: a number from 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare: Compare, arguments: tuple[str, ...], reason: str) -> None:
    push("runs/number", "1", label_kind="number")
    code, out, err = compare(*arguments)
    assert (code, out) == (2, "")
    assert reason in err
