"""Tests of a user's own metrics: refusals, and the sums."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.code import fingerprint
from components.evaluation.metrics import RowSums, _AddUp, model_metrics
from components.metrics.own import modules_of, own_metric
from components.metrics.rows import label_values, row_sums
from components.metrics.targets import Target, label_target
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load
from tests.documents import written
from tests.pipeline.data_sets import csv_configuration

PACKAGE = "made_up_metrics"
RECALL = f"{PACKAGE}.good:RECALL_AT_50"
WRONG = """
from components.metrics import Metric, Places, Sum

def made(name, sums=("count",), **fields):
    return Metric(name=name, label=name, sums=sums, formula=lambda totals: 0.0, **fields)

def with_formula(formula):
    return Metric(name="mine", label="mine", sums=("known", "count"), formula=formula)

def of(name, *needs):
    return Sum(name, needs, tensorflow=lambda *values: values[0], numpy=lambda *values: values[0])

HIT = of("hit_50", "rank")
TAKEN = made("recall_at_10")
SHOUTED = made("Recall")
BANDED = made("hit_rate_head")
COMPARED = made("hit_over_miss")
MISSPELT = made("misspelt", ("coumt",))
NEEDY = made("needy", (of("wish", "ranks"),))
STOLEN = made("stolen", (of("hit_10", "rank"),))
BOTH = made("both", kinds=("label", "number"))
DECIDES = made("decides", objective="absolute")
HIDDEN = made("hidden", places=Places(history=1))
UNNAMED = with_formula(lambda totals: totals["nll"])
DIVIDING = with_formula(lambda totals: totals["known"] / totals["count"])
TWIN = made("recall_at_50")
OF_MODEL = made("sure", ("top_count_3",))
NEEDS_CONFIDENCE = made("surer", (of("sure_ones", "confidence"),))
OTHER_SUM = made("other", (HIT,))
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "elsewhere" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    written(folder.parent, "my_package/metrics.py")
    (folder.parent / "my_package" / "metrics.py").rename(folder / "good.py")
    (folder / "wrong.py").write_text(WRONG)
    monkeypatch.syspath_prepend(folder.parent)
    _forget()
    yield folder
    _forget()


def _forget() -> None:
    own_metric.cache_clear()
    fingerprint.cache_clear()
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]


def configured(folder: Path, *paths: str) -> str:
    """Return the fault of a configuration that names these metrics."""
    file = csv_configuration(folder, rows=1)
    with pytest.raises(ConfigurationError) as error:
        load(str(file), [f"evaluation.metrics=[{', '.join(paths)}]"])
    return str(error.value)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("RECALL_AT_50", "not of the form package.module:metric (found 'RECALL_AT_50')"),
        ("made_up_metric.good:RECALL_AT_50", "No module named 'made_up_metric'; the module has to be installed"),
        (f"{PACKAGE}.good:RECALL_AT_5", f"{PACKAGE}.good has no metric 'RECALL_AT_5'; did you mean 'RECALL_AT_50'?"),
        (f"{PACKAGE}.good:HIT_50", "HIT_50 is of type Sum, not a components.metrics.Metric"),
        (f"{PACKAGE}.wrong:TAKEN", "BigVocab has a metric with the name 'recall_at_10'"),
        (f"{PACKAGE}.wrong:SHOUTED", "the name of a metric has small letters, digits and '_' (found 'Recall')"),
        (
            f"{PACKAGE}.wrong:BANDED",
            "does not contain '_over_' or end in _head, _torso, _tail, _weighted ('hit_rate_head')",
        ),
        (f"{PACKAGE}.wrong:COMPARED", "does not contain '_over_'"),
        (f"{PACKAGE}.wrong:MISSPELT", "sums: 'coumt' is not one of count, known, nll"),
        (f"{PACKAGE}.wrong:MISSPELT", "did you mean 'count'?"),
        (f"{PACKAGE}.wrong:NEEDY", "sum 'wish': needs 'ranks', but has label, known, nll, rank; did you mean 'rank'?"),
        (f"{PACKAGE}.wrong:STOLEN", "BigVocab has a sum with the name 'hit_10'"),
        (f"{PACKAGE}.wrong:OF_MODEL", "sums: 'top_count_3' is not one of count, known, nll"),
        (f"{PACKAGE}.wrong:NEEDS_CONFIDENCE", "sum 'sure_ones': needs 'confidence', but has label, known, nll, rank"),
        (f"{PACKAGE}.wrong:BOTH", "classes ('label', 'several', 'class') or of numbers ('number'), not of both"),
        (f"{PACKAGE}.wrong:DECIDES", "objective: a user's own metric cannot decide a training"),
        (f"{PACKAGE}.wrong:UNNAMED", "formula: 'nll' is not one of the metric's sums, known, count"),
        (f"{PACKAGE}.wrong:DIVIDING", "formula: divides by 0 where there is no label; return math.nan then"),
        (f"{PACKAGE}.wrong:HIDDEN", "places: a metric with a place in 'history' needs one in 'validation'"),
    ],
)
def test_a_wrong_metric_is_one_line_of_the_configuration(tmp_path: Path, path: str, fault: str) -> None:
    text = configured(tmp_path, path)
    assert fault in text
    assert text.startswith(f"--set evaluation.metrics=[{path}]: evaluation.metrics.0: ")
    assert "\n" not in text


def test_two_metrics_or_sums_of_one_name_are_refused(tmp_path: Path) -> None:
    twins = configured(tmp_path, RECALL, f"{PACKAGE}.wrong:TWIN")
    assert f"{PACKAGE}.wrong:TWIN and {RECALL} both have the name 'recall_at_50'" in twins
    sums = configured(tmp_path, RECALL, f"{PACKAGE}.wrong:OTHER_SUM")
    assert f"{PACKAGE}.wrong:OTHER_SUM: another metric has a sum with the name 'hit_50'" in sums


def test_its_sum_stands_after_those_of_the_table_also_in_each_band(tmp_path: Path) -> None:
    data = load(str(csv_configuration(tmp_path, rows=1))).data
    target = label_target(data, [RECALL])
    assert [name for name in target.sum_names if name.startswith("hit_50")] == [
        "hit_50", "hit_50_head", "hit_50_torso", "hit_50_tail",
    ]  # fmt: skip
    assert [of.name for of in target.sums][:-1] == [of.name for of in label_target(data).sums]
    values = {"label": np.array([0, 3, -1]), "nll": np.zeros(3), "rank": np.array([50, 51, 1])}
    sums = row_sums([*target.sums], values, np.zeros(3, np.int64), 1)
    totals = np.concatenate([sums[0]] * 4)
    assert target.measured(totals)["recall_at_50"] == pytest.approx(1 / 3)
    in_tensorflow = label_values(target.sums, {name: tf.constant(value) for name, value in values.items()})
    assert [float(tf.reduce_sum(value)) for value in in_tensorflow.values()] == pytest.approx(sums[0].tolist())
    measured = model_metrics((target,), (np.stack([totals] * (1 + len(target.baselines))),))
    assert measured["baseline/bigram/recall_at_50"] == measured["recall_at_50_tail"] == pytest.approx(1 / 3)


def test_only_parts_of_its_kind_have_it() -> None:
    assert "recall_at_50" not in {m.name for m in Target("price", "number", ("mean",), (RECALL,)).metrics}
    assert Target("party", "class", (), (RECALL,)).sum_names == Target("party", "class", ()).sum_names


def test_a_beam_worker_gets_its_path_and_not_its_functions() -> None:
    target = Target("", "label", ("popular",), (RECALL,))
    for sent in (_AddUp("", (target,)), RowSums("", (target,))):
        assert RECALL.encode() in pickle.dumps(sent)
    accumulator = pickle.loads(pickle.dumps(_AddUp("", (target,)))).create_accumulator()
    assert accumulator[0].shape == (2, len(target.sum_names))


def test_its_source_is_in_the_fingerprint(package: Path) -> None:
    def code() -> str:
        fingerprint.cache_clear()
        return fingerprint("components.evaluation.metrics", *modules_of([RECALL]))

    before = code()
    assert before == code()
    (package / "good.py").write_text((package / "good.py").read_text().replace("rank <= 50", "rank <= 60"))
    assert code() != before
