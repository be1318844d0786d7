"""The report shows labels, tokens, columns and file names of any text, and takes no element or attribute from them."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from components.report import html
from components.report.sections.training import training_section
from components.report.summary import Summary
from tests.components.report.test_report import SECTIONS, _metrics, _summary, _training, predictions

HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% include 'components.report:style.css' %} {# note #}",
    "</code></pre></svg><!-- -->",
    "&lt;b&gt; &amp;amp; \x1b[31m \r\n\t",
    "../../etc/passwd",
    "javascript:alert(1)",
]


class _Elements(HTMLParser):
    """Parser that collects the elements of a page with the names of their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment",))

    def handle_data(self, data: str) -> None:
        if not self.found or self.found[-1][0] != "script":
            self.text += data


def _with(text: str) -> Summary:
    """Return a summary in which every text of a user's data, files or configuration is the given one."""
    training = training_section({**_training(), "calibration": {text: 0.4}, "devices": text})
    training["warm_start"] = {"model": text, "taken": 1, "fresh": [text], "optimizer": True}
    classes = {"known": 9.0, "accuracy": 0.5, "nll": 1.0, "count": 10.0}
    return _summary(
        name=text,
        finished=text,
        split_rule=text,
        constant_columns=[text],
        unused={
            "bad": {text: 1},
            "short": 1,
            "files": [{"file": text, "rows": 1, "bad": 1, "short": 0}],
            "examples": [{"file": text, "line": 1, "kind": text, "reason": text}],
            "odd": [text],
        },
        vocabularies={"inputs": {"size": 3, "top": [{"token": text, "count": 1}]}, "labels": {
            "size": 3,
            "top": [{"token": text, "count": 1}],
            "outside": {"test": {"labels": 9, "outside": 2, "most_frequent": [{"token": text, "count": 1}]}},
        }},
        spans=[
            {"span": 1, "name": text, "rows": {"train": 1}, "drift": {text: {"value": 0.1, "measure": "l_infinity"}}},
            {"span": 2, "name": text, "rows": {"train": 1}},
        ],
        slices=[{"slice": text, "value": text, "metrics": _metrics(0.4, 90.0, 100)}],
        targets={text: classes},
        target_baselines={text: {"frequencies": classes}},
        blessed=False,
        pushed=False,
        failures=[text, text],
        servable=False,
        servable_cause=text,
        defaults={"reason": text, "pinned": text},
        nodes=[{"name": "Trainer", "seconds": 1.0, "cached": False, "state": "complete", "detail": text}],
        versions={text: text},
        command=text,
        configuration={"preset": text, "settings": [{"key": text, "value": text, "differs": True, "base": text}]},
        **predictions(text),
        lineage=[{
            "node": text, "execution": 1, "cached": False, "inputs": [],
            "outputs": [{"key": text, "id": 1, "type": text, "uri": text}],
        }],
        training=training,
        inference={
            "refusal": "", "path": text, "folder": text, "rows": 1, "files": 1, "unusable": 1, "reasons": [text],
            "warnings": [text],
        },
    )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_adds_no_element_and_no_attribute(text: str) -> None:
    harmless = _Elements(html.render(_with("harmless"), SECTIONS))
    hostile = _Elements(html.render(_with(text), SECTIONS))
    assert hostile.found == harmless.found
    shown = " ".join(text.split())
    assert " ".join(hostile.text.split()).count(shown) == harmless.text.count("harmless") >= 25


@pytest.mark.parametrize("text", HOSTILE)
def test_a_failure_adds_no_element(text: str) -> None:
    pages = [
        html.render(_summary(metrics=None, failure={"node": "Trainer", "message": shown}), SECTIONS)
        for shown in ("harmless", text)
    ]
    assert _Elements(pages[1]).found == _Elements(pages[0]).found
