"""Tests of the benchmark of heads."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from benchmarks.commands.heads import heads
from benchmarks.harness.machine import this_machine
from benchmarks.harness.timing import Timing
from benchmarks.heads import measure, several
from benchmarks.heads.measure import BOUNDS, ENCODERS, FORMS, MIXED, PLAIN, SOFTMAX, Biases, Estimate, Results, Size
from benchmarks.heads.report import bound_lines, lines


def results() -> Results:
    """Return figures in which all forms take as long as another, and a tied cosine half as long again."""
    found = Results(this_machine(), 1, Size(rounds=3))
    plain, slow = Timing((10.0, 20.0, 30.0), (1.0,) * 3), Timing((15.0, 30.0, 99.0), (1.0,) * 3)
    found.steps["session"] = {form: slow if form == "cosine, tied" else plain for form in FORMS}
    names = [name for loss in several.LOSSES for name in several.arms(loss)]
    found.several[several.MODEL] = {name: slow if name == several.arm("sigmoid", 5) else plain for name in names}
    return found


def test_a_ratio_is_the_median_within_the_rounds() -> None:
    found = results()
    assert found.ratio("session", "cosine, tied") == pytest.approx(1.5)
    assert found.ratio("session", "dot, tied") == pytest.approx(1.0)
    assert found.ratio("shared_projection", "dot, tied") is None


def test_each_form_of_each_encoder_has_a_bound() -> None:
    assert len(BOUNDS) == len(ENCODERS) * (len(FORMS) - 1) + len(several.LOSSES)
    missed = [bound.what for bound in BOUNDS if bound.missed(results())]
    assert missed == [
        f"CPU time of a step, session: cosine, tied / {PLAIN}",
        "CPU time of a step, whole model, sigmoid: 5 labels / 1 label",
    ]
    text = "\n".join(bound_lines(results()))
    assert re.search(r"session: cosine, tied / dot, untied +\| +at most 1.10x +\| +1.50x \| +missed", text)
    assert re.search(r"shared_projection: dot, tied .* not measured", text)


def test_tables_show_the_parts_that_were_measured() -> None:
    found = results()
    found.answers = {64: {SOFTMAX: Timing((2.0,), (1.0,)), MIXED: Timing((3.0,), (1.0,))}}
    found.ngrams, found.bytes = [1_000, 2_000], 5 << 20
    text = "\n".join(lines(found))
    assert re.search(r"\| session \| +cosine, tied \| +15.0 \| +30.0 \| 1.50x \|", text)
    assert "1,000 2-grams, 2,000 3-grams, 5 MiB" in text
    assert re.search(r"\| 64 +\| +2.00 \| +3.00 \|", text)
    assert "standard error" not in text
    assert re.search(r"\| whole model +\| +one label \| +- \| +10.0 \| +20.0 \| +- \|", text)
    assert re.search(r"\| whole model +\| +sigmoid \| +5 \| +15.0 \| +30.0 \| 1.50x \|", text)
    found.exact = {"model": 5.0, "mixture": 4.5}
    found.biases = {256: Biases(Estimate.of([-0.1, -0.3]), Estimate(-0.05, 0.01))}
    assert "| 256 | -0.2000 ± 0.1000 | -0.0500 ± 0.0100 |" in list(lines(found))


@pytest.mark.slow
@pytest.mark.usefixtures("forked")
def test_all_parts_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Each form is a process that builds a whole model.
    monkeypatch.setattr(measure, "ENCODERS", ("session",))
    monkeypatch.setattr(measure, "FORMS", {name: FORMS[name] for name in (PLAIN, "cosine, tied")})
    monkeypatch.setattr(several, "LABELS", (1, 3))
    monkeypatch.setattr(several, "LOSSES", ("softmax",))
    size = Size(
        classes=300, batch=64, rows=(1, 5), tokens=4_000, most=700, negatives=(8, 64), draws=30, rounds=1
    )  # fmt: skip
    out = io.StringIO()
    assert heads(None, 2, 1, False, out, tmp_path / "figures.json", size) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    assert set(found["steps"]["session"]) == {PLAIN, "cosine, tied"}
    assert all(len(timing["cpu"]) == 2 and min(timing["cpu"]) > 0 for timing in found["steps"]["session"].values())
    assert found["ratios"]["session"][PLAIN] == 1.0
    assert list(found["several"]) == [several.MODEL, several.OUTPUT]
    for ratios in found["several_ratios"].values():
        assert ratios["softmax, 1"] == 1.0
        assert ratios["softmax, 3"] > 0
    assert set(found["answers"]) == {"1", "5"}
    assert all(set(arms) == {SOFTMAX, MIXED} for arms in found["answers"].values())
    assert found["ngrams"] == [700, 700]
    assert found["bytes"] > 12 * 1_400
    # The expected logarithm of the estimate lies below that of the sum, and the fewer the draws the more.
    few, many = found["biases"]["8"], found["biases"]["64"]
    assert few["model"]["mean"] < many["model"]["mean"] < 0
    assert few["model"]["mean"] < few["mixture"]["mean"] < 0
    assert found["exact"]["mixture"] != found["exact"]["model"]
    assert re.search(r"^\| 64 +\| -0\.", out.getvalue(), re.MULTILINE)
