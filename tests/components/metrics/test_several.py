"""Tests of the metrics of rows with several labels: the model's and the baselines' sums against plain Python."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes.propensity import inverse_propensities
from components.layers.head import SampledSoftmax
from components.layers.losses.labels import PADDING, LossName
from components.layers.outputs import ClassOutput
from components.metrics.bands import BANDS, BandSpec
from components.metrics.rows import label_values, row_sums
from components.metrics.several.values import several_values
from components.metrics.targets import Target
from tests.drawing import drawn

CLASSES, WIDTH = 100, 4
TARGET = Target("", "several", ())
BAND_SPEC = BandSpec(head=5, torso=30)
OUTSIDE = -1
Rows = list[list[int]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[ClassOutput, np.ndarray, Rows, int]:
    """Draw an output over a hundred classes, hidden vectors, the labels of each row, and the number of train rows."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    counts = rng.integers(0, 200, CLASSES)
    loss: LossName = draw(st.sampled_from(["softmax", "sigmoid"]))
    n_rows = draw(st.sampled_from([1, 3, 50, 10**6]))
    output = ClassOutput(SampledSoftmax(counts + 1, 2), loss=loss, rows=n_rows)
    output.build((None, WIDTH))
    # Whole numbers, so that logits are often equal.
    output.head.table.assign(rng.integers(-1, 2, (CLASSES, WIDTH)))
    output.head.bias.assign(rng.integers(-1, 2, CLASSES))
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        known = rng.permutation(CLASSES)[: rng.integers(0, 7)].tolist()
        rows.append([OUTSIDE if rng.random() < 0.2 else label for label in known])
    hidden = rng.integers(-1, 2, (len(rows), WIDTH)).astype(np.float32)
    return output, hidden, rows, n_rows


def expected(output: ClassOutput, hidden: np.ndarray, rows: Rows, n_rows: int, keep: Any = None) -> dict[str, float]:
    """Return the metrics of rows, computed row by row and label by label in plain Python.

    Args:
        output: Output with weights.
        hidden: (rows, width) hidden vectors.
        rows: Labels of each row.
        n_rows: Number of train rows.
        keep: Function that is True for the labels to measure. None: all.
    """
    table, bias = np.array(output.head.table, float), np.array(output.head.bias, float)
    counts = [int(count) for count in output.head.counts]
    c = max(0.0, (math.log(n_rows) - 1) * 2.5**0.55)
    nlls, share_known, weights, gains, firsts = [], [], [], [], []
    recalls: dict[int, list[float]] = {k: [] for k in (1, 5, 10, 20)}
    found, psp, psp_ideal = dict.fromkeys((1, 3, 5), 0), dict.fromkeys((1, 3, 5), 0.0), dict.fromkeys((1, 3, 5), 0.0)
    labels = labels_known = 0
    for vector, of in zip(hidden, rows, strict=True):
        if not of:
            continue
        logits = [float(vector @ row) + b for row, b in zip(table, bias, strict=True)]
        order = sorted(range(CLASSES), key=lambda j: (-logits[j], j))
        kept = [label for label in of if keep is None or keep(label)]
        known = [label for label in of if label != OUTSIDE]
        weights.append(len(kept) / len(of))
        labels += len(kept)
        labels_known += sum(label != OUTSIDE for label in kept)
        if known:
            share_known.append(sum(label in known for label in kept) / len(known))
        log_sum = math.log(sum(math.exp(z) for z in logits))
        if output.loss == "softmax":
            nlls += [(log_sum - logits[label]) / len(known) for label in kept if label in known]
        else:
            entropy = sum(math.log1p(math.exp(z)) - (z if j in known else 0) for j, z in enumerate(logits))
            nlls += [entropy / len(known) / len(known) for label in kept if label in known]
        for k, values in recalls.items():
            values.append(sum(label in order[:k] for label in kept) / len(of))
        inverse = {label: 1 + c * ((counts[label] if label != OUTSIDE else 0) + 1.5) ** -0.55 for label in of}
        everything = sorted((inverse[label] for label in of), reverse=True)
        for k in (1, 3, 5):
            found[k] += sum(label in order[:k] for label in of)
            psp[k] += sum(inverse[label] for label in of if label in order[:k])
            psp_ideal[k] += sum(everything[:k])
        hits = [place for place, j in enumerate(order[:10], start=1) if j in of]
        ideal = sum(1 / math.log2(1 + place) for place in range(1, min(len(of), 10) + 1))
        gains.append(sum(1 / math.log2(1 + place) for place in hits) / ideal)
        firsts.append(1 / hits[0] if hits else 0.0)

    def mean(values: Any, over: float) -> float:
        return sum(values) / over if over else math.nan

    count, known_rows = sum(weights), sum(share_known)
    nll = mean(nlls, known_rows)
    result = {
        "nll": nll,
        "perplexity": math.exp(nll),
        **{f"recall_at_{k}": mean(values, count) for k, values in recalls.items()},
        "count": count,
        "known": known_rows,
        "labels": labels,
        "labels_known": labels_known,
        "oov_rate": 1 - labels_known / labels if labels else math.nan,
    }
    if keep is not None:
        return result
    return result | {
        **{f"precision_at_{k}": mean([found[k]], k * count) for k in found},
        **{f"psp_at_{k}": mean([psp[k]], psp_ideal[k]) for k in psp},
        "ndcg_at_10": mean(gains, count),
        "mrr_at_10": mean(firsts, count),
    }


def padded(rows: Rows) -> np.ndarray:
    found = np.full((len(rows), max(map(len, rows), default=0)), PADDING, np.int32)
    for row, labels in enumerate(rows):
        found[row, : len(labels)] = labels
    return found


def band_of(label: int) -> str:
    return "tail" if label == OUTSIDE or label >= 30 else "head" if label < 5 else "torso"


@drawn(40)
@given(problem=problems())
def test_metrics_of_the_model_and_of_a_baseline_equal_those_of_plain_python(problem: Any) -> None:
    output, hidden, rows, n_rows = problem
    values = output.row_values(tf.constant(hidden), tf.constant(padded(rows)), confidence=True)
    sums = label_values(TARGET.sums, values, bands=BAND_SPEC)
    assert tuple(sums) == TARGET.stored_names
    sums |= label_values(TARGET.model_sums, values)
    by_row = np.stack([value.numpy() for value in sums.values()], axis=1)
    assert by_row.shape == (len(rows), len(TARGET.sum_names))
    total = by_row.sum(axis=0)
    metrics = TARGET.measured(total)
    assert metrics == pytest.approx(metrics | expected(output, hidden, rows, n_rows), rel=1e-4, abs=1e-5, nan_ok=True)
    for band in BANDS:
        measured = TARGET.measured(total, band)
        of_band = expected(output, hidden, rows, n_rows, lambda label, band=band: band_of(label) == band)
        assert measured == pytest.approx(measured | of_band, rel=1e-4, abs=1e-5, nan_ok=True), band
        assert math.isnan(measured["precision_at_1"])

    # A baseline with the ranks and probabilities of the model has the same sums.
    present = padded(rows) > PADDING
    flat, of_row = padded(rows)[present], np.nonzero(present)[0]
    inverse = inverse_propensities(output.head.counts, n_rows)
    nll = values["nll"].numpy()[present].astype(float) * values["known_size"].numpy()[present]
    again = several_values(flat, of_row, nll, values["rank"].numpy()[present], inverse, len(rows))
    theirs = row_sums(TARGET.sums, again, of_row, len(rows), bands=BAND_SPEC)
    np.testing.assert_allclose(theirs, by_row[:, : theirs.shape[1]], rtol=1e-5, atol=1e-5)


@drawn(20)
@given(problem=problems())
def test_the_most_probable_class_is_correct_by_its_share_of_the_labels(problem: Any) -> None:
    output, hidden, rows, _ = problem
    values = output.row_values(tf.constant(hidden), tf.constant(padded(rows)), confidence=True)
    sums = {name: float(tf.reduce_sum(of)) for name, of in label_values(TARGET.model_sums, values).items()}
    table, bias = np.array(output.head.table, float), np.array(output.head.bias, float)
    logits = hidden @ table.T + bias
    best = logits.argmax(axis=1)
    labeled = [row for row, of in enumerate(rows) if of]
    assert sum(sums[f"top_count_{place}"] for place in range(13)) == len(labeled)
    hits = [row for row in labeled if best[row] in rows[row]]
    correct = sum(1 / len(rows[row]) for row in hits) if output.loss == "softmax" else len(hits)
    assert sum(sums[f"top_correct_{place}"] for place in range(13)) == pytest.approx(correct, abs=1e-4)
    z = logits.max(axis=1)
    sure = 1 / (1 + np.exp(-z)) if output.loss == "sigmoid" else np.exp(z - np.logaddexp.reduce(logits, axis=1))
    assert sum(sums[f"top_confidence_{place}"] for place in range(13)) == pytest.approx(sure[labeled].sum(), rel=1e-4)


def test_metrics_by_hand() -> None:
    # Two rows of labels (0, 2, outside) and (1), classes ranked 0, 1, 2.
    output = ClassOutput(SampledSoftmax([8, 4, 2], 2), loss="softmax", rows=10)
    output.build((None, 1))
    output.head.table.assign([[0.0], [0.0], [0.0]])
    output.head.bias.assign(np.log([0.5, 0.3, 0.2]))
    values = output.row_values(tf.zeros([2, 1]), tf.constant([[0, 2, -1], [1, PADDING, PADDING]]))
    sums = label_values(TARGET.sums, values, bands=None)
    metrics = TARGET.measured(np.array([float(tf.reduce_sum(value)) for value in sums.values()] + [0.0] * 99))
    assert metrics["count"] == metrics["known"] == 2
    assert (metrics["labels"], metrics["oov_rate"]) == (4, pytest.approx(0.25))
    assert metrics["nll"] == pytest.approx((-(math.log(0.5) + math.log(0.2)) / 2 - math.log(0.3)) / 2)
    assert metrics["precision_at_1"] == pytest.approx(0.5)
    assert metrics["precision_at_3"] == pytest.approx(3 / 6)
    assert metrics["recall_at_1"] == pytest.approx((1 / 3 + 0) / 2)
    assert metrics["recall_at_5"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["mrr_at_10"] == pytest.approx((1 + 1 / 2) / 2)
    gain = {place: 1 / math.log2(1 + place) for place in (1, 2, 3)}
    assert metrics["ndcg_at_10"] == pytest.approx(((gain[1] + gain[3]) / sum(gain.values()) + gain[2]) / 2)
    c = (math.log(10) - 1) * 2.5**0.55
    inverse = {count: 1 + c * (count + 1.5) ** -0.55 for count in (8, 4, 2, 0)}
    assert metrics["psp_at_1"] == pytest.approx(inverse[8] / (inverse[0] + inverse[4]))
    assert metrics["psp_at_3"] == pytest.approx(
        (inverse[8] + inverse[2] + inverse[4]) / (inverse[0] + inverse[2] + inverse[8] + inverse[4])
    )


def test_each_row_counts_once_whatever_the_number_of_its_labels() -> None:
    flat, rows = np.arange(15), np.repeat([0, 1, 2], [3, 5, 7])
    values = several_values(flat, rows, np.zeros(15), flat + 1, np.ones(16, np.float32), 3)
    sums = row_sums(TARGET.sums, values, rows, 3)
    assert TARGET.measured(np.append(sums.sum(axis=0), np.zeros(99)))["count"] == 3
