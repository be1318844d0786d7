"""Tests of the model card."""

from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.pushing.card.content import Card, Part, Table, card_of
from components.pushing.card.intervals import Measured
from components.pushing.card.render import as_html, as_markdown
from components.report.summary import Summary
from tests.drawing import drawn

HOSTILE = "<script>alert(1)</script> | **x** `y` \n# title & [a](javascript:b) _z_"
METRICS = {"count": 1_000, "known": 950, "nll": 4.0, "perplexity": 54.6, "recall_at_10": 0.5, "ece": 0.02}
CONFIGURATION = {"name": "mine", "data": {"source": {"kind": "csv", "path": "a```b.csv"}}, "trainer": {"seed": 7}}


def summary(**changes: Any) -> Summary:
    return Summary.model_validate(
        {
            "name": "mine",
            "finished": "2026-01-01T00:00:00+00:00",
            "seconds": 1,
            "examples": {split: {"rows": 10, "examples": 100} for split in ("train", "eval", "test")},
            "vocabularies": {"inputs": {"size": 50, "out_of_vocabulary_rate": 0.125}, "labels": {"size": 40}},
            "metrics": METRICS,
            "baselines": {"popular": {**METRICS, "recall_at_10": 0.25}},
            "margins": [
                {
                    "metric": "recall_at_10", "baseline": "popular", "measure": "difference", "value": 0.25,
                    "low": 0.2, "high": 0.3, "level": 0.95, "rows": 10, "resamples": 1_000,
                }
            ],
            "slices": [
                {"slice": "country", "value": value, "metrics": {**METRICS, "count": count, "recall_at_10": recall}}
                for value, count, recall in (("good", 500, 0.7), (HOSTILE, 400, 0.3), ("rare", 5, 0.0))
            ],
            "versions": {"bigvocab": "1"},
            **changes,
        }
    )  # fmt: skip


def card(stated: dict[str, str] | None = None, **changes: Any) -> Card:
    about = {"name": "mine", "description": HOSTILE, "card": stated or {}, "configuration": CONFIGURATION}
    found = Measured({"recall_at_10": (0.45, 0.55)}, {("country", "good"): {"recall_at_10": (0.61, 0.79)}})
    return card_of(summary(**changes), about, found)


def part(of: Card, title: str) -> Part:
    return next(part for part in of.parts if part.title == title)


def test_metrics_have_their_intervals_and_the_best_baseline() -> None:
    ((caption, table),) = part(card(), "Metrics").tables
    assert caption == "Test split, 1,000 labels"
    assert table.head == ["metric", "model", "95% interval", "popular (best baseline)"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["recall@10"] == ("0.500", "0.450 to 0.550", "0.250")
    assert rows["perplexity"][1] == "–"
    assert "recall@10: 0.250 above the popular's (+0.200 to +0.300)" in part(card(), "Metrics").notes
    ((caption, table),) = part(card(), "Metrics by slice").tables
    assert caption == "By country"
    assert table.rows[0][:4] == ("good", "500", "0.700", "0.610 to 0.790")


def test_the_values_that_the_run_chose_are_in_the_configuration() -> None:
    defaults = {"reason": "a mixture", "facts": {}, "pinned": "trainer:\n  head:\n    mixture: ngrams\n"}
    trial = {"number": 0, "state": "complete", "values": {}, "seconds": 1}
    tuning = {
        "trials": [trial, trial],
        "best": 0,
        "space": {},
        "pinned": "trainer:\n  head:\n    mixture: none\n  batch: 32\n",
    }
    configuration = {"trainer": {"seed": 7, "head": {"mixture": "none"}, "batch": 32}}
    found = part(card(defaults=defaults, tuning=tuning), "How to reproduce")
    assert yaml.safe_load(found.code) == {**CONFIGURATION, **configuration}
    assert "Values of trainer.head.mixture are the defaults for these data (a mixture)." in found.notes
    assert "Values of trainer.head.mixture, trainer.batch are the best of 2 trials." in found.notes
    assert len(part(card(), "How to reproduce").notes) == 1


def test_the_limits_are_measured() -> None:
    notes = "\n".join(part(card(), "Limits").notes)
    assert "12.5% of the input tokens" in notes
    assert "recall@10 is 0.300 for country" in notes
    assert "rare" not in notes, "five labels are too few to name"
    equal = [{**summary().margins[0].model_dump(), "low": -0.1}]
    assert "equal to that of the baseline 'popular'" in "\n".join(part(card(margins=equal), "Limits").notes)


def test_statements_come_from_the_configuration_and_are_not_invented() -> None:
    stated = {"intended_use": "shops", "license": "apache-2.0", "data_license": "CC0", "contact": "a@b.c"}
    facts = dict(part(card(stated), "Intended use").facts) | dict(part(card(stated), "Data").facts)
    assert facts["Intended use"] == "shops"
    assert facts["License"] == "CC0"
    assert card(stated).header["license"] == "apache-2.0"
    facts = dict(part(card(), "Intended use").facts) | dict(part(card(), "Data").facts)
    assert facts["Intended use"] == "not stated (card.intended_use)"
    assert facts["License"] == "not stated (card.data_license)"


def test_the_configuration_reproduces_the_model() -> None:
    found = part(card(), "How to reproduce")
    assert yaml.safe_load(found.code) == CONFIGURATION
    assert ("Seed", "7") in found.facts
    text = as_markdown(card())
    # A fence that the path does not close.
    fenced = re.search(r"^(`{4,})yaml\n(.*?)\1$", text, re.DOTALL | re.MULTILINE)
    assert fenced
    assert yaml.safe_load(fenced[2]) == CONFIGURATION


def test_hostile_values_are_text() -> None:
    page = as_html(card())
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    text = as_markdown(card())
    assert "<script" not in text
    assert "**x**" not in text
    line = next(line for line in text.splitlines() if "&#60;script&#62;" in line and line.startswith("|"))
    assert line.count(" | ") == len(("country", "labels", "recall", "interval", "perplexity", "interval")) - 1
    header, _, _ = text.removeprefix("---\n").partition("\n---\n")
    assert yaml.safe_load(header)["metrics"]["recall_at_10"] == 0.5


@drawn()
@given(st.text(max_size=40))
def test_any_text_stays_in_its_cell(text: str) -> None:
    table = Table(("name", "value"), [(text, "1")])
    found = as_markdown(Card("a", "", [Part("Part", tables=[("Caption", table)])]))
    rows = [line for line in found.split("\n") if line.startswith("|")]
    assert len(rows) == 3
    assert rows[2].count("|") == 3
    assert len(found.splitlines()) == len(found.split("\n")) - 1


def test_a_label_that_is_a_number_has_a_card() -> None:
    metrics = {"count": 100, "rmse": 12.0, "mae": 9.0, "r2": 0.5}
    found = card(metrics=metrics, baselines={"mean": {**metrics, "rmse": 20.0}}, margins=[], vocabularies={}, slices=[])
    ((_, table),) = part(found, "Metrics").tables
    assert "12.00" in {row[1] for row in table.rows}
    assert as_html(found)
