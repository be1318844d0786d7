"""Tests of the summary for machines and the page for people."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.evaluation.sections.charts import ranks
from components.report import html
from components.report.sections.measures import Metrics
from components.report.sections.training import training_section
from components.report.summary import Summary, evaluation_section
from components.report.versions import installed_versions
from pipeline.nodes import NODES

SECTIONS = [section for node in NODES for section in node.sections]

GOLDEN = {
    "": "band_limits bands baseline_bands baselines blessed defaults examples failure failures finished format metrics "
    "name nodes previous pushed pushed_to seconds servable servable_cause slices training versions vocabularies",
    "metrics": "count ece ece_confident known mrr_at_10 mrr_at_20 ndcg_at_10 nll oov_rate perplexity recall_at_1 "
    "recall_at_10 recall_at_20 recall_at_5",
    "nodes": "cached cpu_seconds detail name peak_bytes seconds state",
    "slices": "baselines metrics slice value",
    "training": "best calibration devices history mixture parameters resumed stopped_early validation_examples "
    "warm_start",
    "history": "epoch examples_per_second learning_rate nll perplexity recall_at_10 seconds step train_loss "
    "validation_seconds",
    "train": "examples rows",
    "inputs": "out_of_vocabulary_rate size top",
}


def _metrics(recall: float, perplexity: float, count: int = 115_574) -> dict[str, Any]:
    return {
        "nll": math.log(perplexity),
        "perplexity": perplexity,
        "recall_at_1": recall * 0.45,
        "recall_at_10": recall,
        "recall_at_20": recall * 1.1,
        "mrr_at_10": recall * 0.62,
        "count": float(count),
        "known": float(count - 93),
        "oov_rate": 93 / count,
    }


def _evaluation() -> dict[str, Any]:
    """Return results of the Evaluator, with a metric that could not be measured."""
    tail = {**_metrics(0.01, 88_000.0, 2_574), "nll": math.nan, "perplexity": math.inf}
    return {
        "metrics": _metrics(0.5372, 101.3),
        "bands": {"head": _metrics(0.672, 38.1, 91_000), "torso": _metrics(0.118, 2_890.0, 22_000), "tail": tail},
        "baselines": {"popular": _metrics(0.318, 620.0), "trigram": _metrics(0.524, 125.0)},
        "baseline_bands": {"trigram": {"head": _metrics(0.66, 42.0, 91_000)}},
        "previous": None,
        "slices": [
            {"slice": "decade", "value": "1940s", **_metrics(0.5123, 96.5, 4_068), "baselines": {}},
            {
                "slice": "party",
                "value": "<script>alert(1)</script>",
                **_metrics(0.4987, 98.7, 812),
                "baselines": {"trigram": _metrics(0.4771, 130.0, 812)},
            },
        ],
        "blessed": True,
        "failures": [],
    }


def _training() -> dict[str, Any]:
    validations = [
        {
            "epoch": float(epoch),
            "step": 1_930 * epoch,
            "train_loss": 5.0 - 0.1 * epoch,
            "nll": 4.9 - 0.1 * epoch,
            "perplexity": math.exp(4.9 - 0.1 * epoch),
            "recall_at_10": 0.5 + 0.01 * epoch,
            "mrr_at_10": math.nan,
            "learning_rate": 1e-3,
            "seconds": 37.0,
            "examples_per_second": 52_000.0,
            "validation_seconds": 4.0,
        }
        for epoch in (1, 2, 3)
    ]
    about = {
        "parameters": 4_012_345,
        "devices": "1 CPU",
        "stopped_early": False,
        "resumed": True,
        "validation_examples": 16_384,
        "mixture": {"order": 3, "ngrams": {"2": 512_345, "3": 1_234_567}, "bytes": 33_120_000, "mean_gate": 0.7341},
        "calibration": {"party": 0.42},
    }
    return {"plan": {}, "validations": validations, "best": validations[1], **about}


def _summary(**changes: Any) -> Summary:
    parts: dict[str, Any] = {
        "name": "sotu",
        "finished": "2026-01-02T07:40:11+00:00",
        "seconds": 451.0,
        "examples": {"train": {"rows": 21_993, "examples": 1_976_138}, "test": {"rows": 1_210, "examples": 115_574}},
        "vocabularies": {
            "inputs": {"size": 10_000, "out_of_vocabulary_rate": 0.0182, "top": [{"token": "<b>&", "count": 160_123}]}
        },
        "band_limits": {"head": 1_000, "torso": 10_000},
        **evaluation_section(_evaluation()),
        "servable": True,
        "pushed": True,
        "pushed_to": "runs/sotu/serving/1795332206",
        "nodes": [
            {"name": "ExampleGen", "seconds": 0.2, "cached": True, "state": "cached"},
            {"name": "Trainer", "seconds": 338.0, "cached": False, "state": "complete", "detail": "perplexity 102.1"},
        ],
        "versions": {"tfx": "1.21.0"},
        "training": training_section(_training()),
    }
    return Summary.model_validate({**parts, **changes})


def charts_of(page: str) -> list[str]:
    """Return the names of the charts on a page, each of which has a place and a specification."""
    places = re.findall(r'<div class="plot" data-chart="([^"]*)">', page)
    (data,) = re.findall(r'<script type="application/json" id="charts">(.*?)</script>', page)
    assert sorted(json.loads(data)["charts"]) == sorted(places)
    return places


class _Page(HTMLParser):
    """Parser that collects the text of a page and checks that its elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open, self.tags = "", list[str](), set[str]()
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag != "meta":  # the only element that is never closed
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["script"]:
            self.text += f" {data}"


def test_the_keys_of_the_summary_are_stable() -> None:
    summary = json.loads(_summary().model_dump_json())
    found = {
        "": summary,
        "metrics": summary["metrics"],
        "nodes": summary["nodes"][0],
        "slices": summary["slices"][0],
        "training": summary["training"],
        "history": summary["training"]["history"][0],
        "train": summary["examples"]["train"],
        "inputs": summary["vocabularies"]["inputs"],
    }
    assert {name: " ".join(sorted(part)) for name, part in found.items()} == GOLDEN
    assert summary["format"] == 1
    assert summary["metrics"]["recall_at_10"] == 0.5372
    assert summary["metrics"]["count"] == 115_574


def test_what_json_cannot_say_is_null(tmp_path: Path) -> None:
    _summary().write(tmp_path / "report" / "summary.json")
    text = (tmp_path / "report" / "summary.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    tail = Summary.read(tmp_path / "report" / "summary.json").bands["tail"]
    assert tail.perplexity is None
    assert tail.recall_at_10 == 0.01
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["summary.json"]


def test_a_summary_is_read_back_as_it_was(tmp_path: Path) -> None:
    summary = _summary()
    summary.write(tmp_path / "summary.json")
    assert Summary.read(tmp_path / "summary.json") == summary
    (tmp_path / "summary.json").write_text('{"name": "x"}')
    with pytest.raises(ValueError, match=r"summary\.json"):
        Summary.read(tmp_path / "summary.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"examples": {"train": {"rows": 1, "row": 1}}},
        {"seconds": -1},
        {"seconds": math.nan},
        {"nodes": [{"name": "x"}]},
    ],
)
def test_what_is_no_summary_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _summary(**changes)


def test_the_best_validation_is_the_one_whose_weights_were_kept() -> None:
    training = _summary().training
    assert training is not None
    assert training.best == 1
    assert training.history[1].step == 3_860


def test_the_page_shows_the_figures_with_unit_split_and_count() -> None:
    page = _Page(html.render(_summary(), SECTIONS))
    assert page.open == []
    for text in (
        "recall@10 0.537 on 115,574 test labels, 0.013 above the trigram",
        "share of labels · test split · 115,574 labels",
        "classes · test split · 115,481 labels in the vocabulary",
        "19.0% below the trigram's 125.0",
        "Blessed and pushed",
        "to runs/sotu/serving/1795332206",
        "1,976,138",
        "4,012,345 parameters on 1 CPU, resumed after an interruption",
        "n-gram counts of the train split: 512,345 2-grams, 1,234,567 3-grams, 33.1 MB in the exported model",
        "the mean share of the softmax is 73.4%",
        "party 0.42",
        "eval split, up to 16,384 labels",
        "Counted on the train split. 1.82% of the input tokens of the test split are outside the vocabulary.",
        "torso: ranks 1,001 to 10,000",
        "1940s 4,068 0.512",
        "5 min 38 s",
        "1.21.0",
    ):
        assert text in page.text, text


def test_spans_and_their_drift_are_shown() -> None:
    assert "spans" not in json.loads(_summary().model_dump_json())
    assert "Spans" not in _Page(html.render(_summary(), SECTIONS)).text
    rates = {"inputs": 0.0182, "labels": None}
    drift = {
        "words": {"value": 0.0213, "measure": "l_infinity"},
        "year": {"value": 1.0, "measure": "jensen_shannon"},
    }
    rows = {"train": 1_614, "eval": 85, "test": 71}
    earlier = {"span": 199, "name": "1990s", "rows": rows, "out_of_vocabulary_rate": rates, "drift": drift}
    newest = {"span": 200, "name": "2000s", "rows": rows}
    summary = _summary(spans=[earlier, newest])
    assert json.loads(summary.model_dump_json())["spans"] == [
        earlier,
        {**newest, "out_of_vocabulary_rate": {}, "drift": {}},
    ]
    page = _Page(html.render(summary, SECTIONS))
    assert page.open == []
    for text in (
        "2 spans trained together. The table shows the drift of the newest span from each earlier span.",
        "words drift, L∞",
        "year drift, JSD",
        "1990s 1,614 85 71 1.82% – 0.021 1.000",
        "2000s 1,614 85 71 – – – –",
    ):
        assert text in page.text, text


def test_the_page_needs_nothing_but_itself_and_escapes_what_it_shows() -> None:
    page = html.render(_summary(), SECTIONS)
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="charts">', *2 * ["<script>"]]
    without_scripts = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in without_scripts
    assert "<b>&" not in without_scripts
    assert not re.search(r"""(src|href|srcset)\s*=|url\(|@import|https?://""", without_scripts)
    assert _Page(page).tags.isdisjoint({"link", "img", "iframe", "object"})
    assert len(page.encode()) < 1_500_000


def test_a_browser_may_run_only_the_scripts_of_the_page() -> None:
    page = html.render(_summary(), SECTIONS)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    ]
    assert unescape(policy) == f"default-src 'none'; style-src 'unsafe-inline'; script-src {' '.join(hashes)}"


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"blessed": False, "pushed": False, "failures": ["recall@10 is 0.5: at least 0.6 is wanted"]},
            ["Not blessed, not pushed", "recall@10 is 0.5: at least 0.6 is wanted"],
        ),
        (
            {"pushed": False, "servable": False, "servable_cause": "assets/labels; No such file"},
            ["Blessed, but not pushed", "not servable: assets/labels; No such file"],
        ),
        (
            {"metrics": None, "pushed": False, "failure": {"node": "Trainer", "message": "out of memory"}},
            ["No model was evaluated", "Stopped: Trainer failed", "out of memory"],
        ),
    ],
)
def test_the_page_says_why_nothing_was_pushed(changes: dict[str, Any], texts: list[str]) -> None:
    page = _Page(html.render(_summary(**changes), SECTIONS)).text
    assert all(text in page for text in texts)
    assert "Blessed and pushed" not in page


def test_a_run_that_hardly_began_has_a_page(tmp_path: Path) -> None:
    html.write(Summary(name="mine", finished="now", seconds=0.0), tmp_path / "report.html", SECTIONS)
    assert "No model was evaluated" in (tmp_path / "report.html").read_text()


def test_one_validation_is_a_table_and_no_curve() -> None:
    training = {**training_section(_training()), "best": 0}
    page = html.render(_summary(training={**training, "history": training["history"][:1]}), SECTIONS)
    assert "data-chart" not in page.partition("<script>")[0]
    assert "<details open>" in page
    assert "1 validation " in _Page(page).text
    assert charts_of(html.render(_summary(), SECTIONS)) == ["curve-perplexity", "curve-recall_at_10"]


def test_a_warm_start_shows_kept_new_and_removed_tokens() -> None:
    started = {
        "model": "7", "taken": 9, "fresh": ["head/table: 4 x 5 in the earlier model, 4 x 6 in this one"],
        "optimizer": False, "vocabularies": {"inputs": {"stayed": 9_800, "came": 200, "went": 199}},
    }  # fmt: skip
    training = training_section({**_training(), "warm_start": started})
    text = _Page(html.render(_summary(training=training), SECTIONS)).text
    assert "Warm start from model 7: 9 weights carried over, optimizer state reset." in text
    assert "Not carried over: head/table" in text
    assert "9,800" in text
    assert "kept new removed" in " ".join(text.split())
    assert "Warm start" not in _Page(html.render(_summary(), SECTIONS)).text


def test_the_best_of_each_column_is_marked() -> None:
    summary = _summary(previous=Metrics.model_validate(_metrics(0.9, 200.0)).model_dump())
    rows = {row["name"]: row["best"] for row in html.comparison(summary)}
    assert rows["last blessed model"] == {"recall_at_1", "recall_at_10", "recall_at_20", "mrr_at_10"}
    assert rows["this model"] == {"perplexity", "nll"}


def test_the_margins_are_below_the_comparison() -> None:
    margin = {
        "metric": "recall_at_10", "baseline": "trigram", "measure": "difference", "value": 0.0132, "low": -0.001,
        "high": 0.027, "level": 0.95, "rows": 1_197, "resamples": 1_000,
    }  # fmt: skip
    text = " ".join(_Page(html.render(_summary(margins=[margin]), SECTIONS)).text.split())
    assert "Margin over the best baseline, 95% interval over 1,197 rows: recall@10 is equal to the trigram's" in text
    assert "within the interval (-0.001 to +0.027)" in text
    assert "equal within the interval, 0.013 above the trigram's 0.524" in text
    assert "recall@10 0.537 on 115,574 test labels, equal to the trigram within the interval" in text
    assert "within the interval" not in _Page(html.render(_summary(), SECTIONS)).text
    stored = json.loads(_summary(margins=[margin]).model_dump_json())
    assert stored["margins"] == [margin]
    assert "margins" not in json.loads(_summary().model_dump_json())


def test_the_bars_of_the_nodes_stand_one_after_the_other() -> None:
    rows = html.timeline(_summary())
    assert rows[0]["left"] == 0
    assert rows[1]["left"] == pytest.approx(rows[0]["width"])
    assert rows[1]["left"] + rows[1]["width"] == pytest.approx(100)


def test_the_page_shows_the_command_and_marks_what_differs_from_the_preset() -> None:
    settings = [
        {"key": "name", "value": "sotu"},
        {"key": "trainer.epochs", "value": 0.3, "differs": True, "base": 1.8},
        {"key": "evaluation.beat", "value": ["popular"], "differs": True},
    ]
    configuration = {"preset": "shared_projection", "settings": settings}
    summary = _summary(command="bigvocab run --set trainer.epochs=.3", configuration=configuration)
    assert json.loads(summary.model_dump_json())["configuration"] == configuration
    page = html.render(summary, SECTIONS)
    text = _Page(page).text
    assert "bigvocab run --set trainer.epochs=.3" in text
    assert "2 keys of 3 differ from the preset shared_projection" in text
    assert "trainer.epochs 0.3 1.8" in text
    assert re.findall(r"<mark>(.*?)</mark>", page) == ["trainer.epochs: 0.3", "evaluation.beat: [&#34;popular&#34;]"]
    own = _summary(configuration={**configuration, "preset": None})
    assert "The configuration sets 2 of 3 keys" in _Page(html.render(own, SECTIONS)).text
    assert "Command and configuration" not in _Page(html.render(_summary(), SECTIONS)).text


def test_the_page_shows_time_and_memory_of_nodes_and_their_lineage() -> None:
    node = {"name": "Trainer", "seconds": 9.0, "cpu_seconds": 15.0, "peak_bytes": 2_674_421_760, "cached": False}
    artifact = {"key": "model", "id": 7, "type": "Model", "uri": "artifacts/Trainer/model/9"}
    execution = {"node": "Trainer", "execution": 9, "cached": True, "inputs": [], "outputs": [artifact]}
    summary = _summary(nodes=[{**node, "state": "complete"}], lineage=[execution])
    assert json.loads(summary.model_dump_json())["lineage"] == [execution]
    text = _Page(html.render(summary, SECTIONS)).text
    assert "Trainer 9.0 s 15 s 2.7 GB complete" in text
    assert "Trainer cached 9 7 Model: artifacts/Trainer/model/9" in text


def test_the_coverage_of_the_vocabularies_is_a_chart() -> None:
    vocabularies = {"inputs": {"size": 3, "coverage": [{"entries": 1, "share": 0.5}, {"entries": 3, "share": 1.0}]}}
    page = html.render(_summary(vocabularies=vocabularies), SECTIONS)
    assert charts_of(page)[-1] == "coverage"
    assert "input tokens 1 50.00% input tokens 3 100.00%" in _Page(page).text


def predictions(text: str = "the") -> dict[str, Any]:
    """Return the sections `predictions` and `neighbors` of a summary, with a text in every place."""
    answers = [{"label": text, "probability": 0.25}, {"label": "other", "probability": 0.125}]
    example = {"result": "right", "input": f"… {text}", "truth": [text], "rank": 1, "answers": answers}
    label = {"label": text, "count": 7, "recall_at_10": 0.25, "baseline_recall_at_10": 0.125}
    return {
        "predictions": {
            "rows": 1_000,
            "results": {"right": 200, "wrong": 800},
            "examples": [{**example, "slices": {text: text}}, {**example, "result": "wrong", "rank": None}],
            "shown_first": 1,
            "least": 5,
            "hardest": [label],
            "most_improved": [label],
            "baseline": "bigram",
        },
        "neighbors": {"labels": [{"token": text, "nearest": [{"token": text, "cosine": 0.5}]}]},
    }


def test_the_page_shows_predictions_hard_labels_and_neighbors() -> None:
    summary = _summary(**predictions())
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    text = _Page(html.render(summary, SECTIONS)).text
    for part in (
        "1,000 labels, drawn evenly over the rows of the test split: 20.0% right, 0.00% near, 80.0% wrong",
        "right … the the the the 1 the 25.0% other 12.5%",
        "1 further examples, by slice",
        "wrong … the the – the 25.0%",
        "Most improved over the bigram",
        "the 7 0.250 0.125",
        "Vectors of the classes",
        "the the 0.50",
    ):
        assert part in text, part
    assert not {"predictions", "neighbors"} & json.loads(_summary().model_dump_json()).keys()


def test_the_ranks_of_the_label_are_a_chart() -> None:
    values = {**_metrics(0.5, 100.0), "recall_at_5": 0.4}
    baseline = {**_metrics(0.4, 120.0), "recall_at_5": 0.3}
    summary = _summary(metrics=values, baselines={"trigram": baseline})
    assert "ranks" in charts_of(html.render(summary, SECTIONS))
    (chart,) = ranks(summary)
    ours = [row["share"] for row in chart.rows if row["model"] == "this model"]
    assert ours == pytest.approx([0.225, 0.175, 0.1, 0.05, 115_481 / 115_574 - 0.55, 93 / 115_574])
    assert sum(row["share"] for row in chart.rows) == pytest.approx(2)
    assert "ranks" not in charts_of(html.render(_summary(), SECTIONS)), "an earlier version did not measure recall@5"


def test_versions_are_those_installed() -> None:
    assert list(installed_versions()) == ["python", "bigvocab", "tfx", "tensorflow", "keras", "beam"]
    assert installed_versions()["tfx"].count(".") == 2
