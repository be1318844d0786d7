"""Table of the metrics of rows that may have several labels.

The precision, nDCG and PSP at k follow Bhatia et al., "The Extreme Classification Repository: Multi-label Datasets and
Code" (2016). nDCG: Järvelin, Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques" (2002). PSP: Jain, Prabhu,
Varma, "Extreme Multi-label Loss Functions" (2016), see `components.layers.classes.propensity`. MRR: Voorhees, "The
TREC-8 Question Answering Track Report" (1999).
"""

from __future__ import annotations

import math

from components.metrics.definitions import Metric, Places
from components.metrics.formulas import (
    calibration_metric,
    difference,
    mean_of,
    perplexity,
    ratio_of_perplexities,
    share,
)
from components.metrics.reliability import CONFIDENT


def _number(name: str, label: str, about: str) -> Metric:
    """Return the metric of a number of rows or labels."""
    return Metric(
        name=name,
        label=label,
        kinds=("several",),
        sums=(name,),
        # The labels of a row have weights such as 1/3, whose sums may end in digits of rounding.
        formula=lambda totals: round(totals[name], 6),
        unit="count",
        per="",
        better=None,
        form="count",
        about=about,
        places=Places(),
    )


def _recall(at: int, **places: int) -> Metric:
    return Metric(
        name=f"recall_at_{at}",
        label=f"recall@{at}",
        kinds=("several",),
        sums=(f"hit_{at}", "count"),
        formula=share(f"hit_{at}"),
        per="share of a row's labels",
        about=f"Mean over all rows of the share of the row's labels among the {at} most probable classes. A label "
        "outside the vocabulary is a miss.",
        compare=difference("recall_at_10") if at == 10 else None,
        places=Places(**places),
    )


def _precision(at: int, **places: int) -> Metric:
    return Metric(
        name=f"precision_at_{at}",
        label=f"P@{at}",
        kinds=("several",),
        sums=(f"found_{at}", "count"),
        formula=lambda totals: totals[f"found_{at}"] / (at * totals["count"]) if totals["count"] else math.nan,
        per="share of the answers",
        about=f"Mean over all rows of the share of labels among the {at} most probable classes.",
        places=Places(**places),
        in_bands=False,
    )


def _propensity_scored(at: int, **places: int) -> Metric:
    return Metric(
        name=f"psp_at_{at}",
        label=f"PSP@{at}",
        kinds=("several",),
        sums=(f"psp_{at}", f"psp_ideal_{at}"),
        formula=mean_of(f"psp_{at}", f"psp_ideal_{at}"),
        per="share of the best sum",
        about=f"Propensity-scored precision: sum of the inverse propensities of the labels among the {at} most "
        "probable classes, as a share of the greatest possible sum. Rare labels count more.",
        places=Places(**places),
        in_bands=False,
    )


SEVERAL_METRICS = (
    Metric(
        name="nll",
        label="nll",
        plain="nll (nats)",
        kinds=("several",),
        sums=("nll", "known"),
        formula=mean_of("nll", "known"),
        unit="nats",
        per="nats per label",
        better="lower",
        over="known",
        about="Mean over the rows with a label in the vocabulary. Loss softmax: mean over these labels of -log p. Loss "
        "sigmoid: sum of the cross entropies of all classes, divided by the number of these labels.",
        objective="absolute",
        places=Places(terminal=6, validation=2, history=1),
    ),
    Metric(
        name="perplexity",
        label="perplexity",
        kinds=("several",),
        sums=("nll", "known"),
        formula=perplexity,
        unit="classes",
        per="classes",
        better="lower",
        over="known",
        form="large",
        about="exp(nll), over rows with a label in the vocabulary.",
        compare=ratio_of_perplexities,
        places=Places(tile=2, column=9, brief=2, terminal=7, validation=3, history=2, curve=1, trainer=1),
    ),
    _precision(1, tile=3, column=1, terminal=1, validation=5, history=4, trainer=2),
    _precision(3, column=2),
    _precision(5, column=3, terminal=2),
    _recall(1),
    _recall(5),
    _recall(10, tile=1, column=7, brief=1, terminal=3, validation=4, history=3, curve=2),
    _recall(20),
    Metric(
        name="mrr_at_10",
        label="MRR@10",
        kinds=("several",),
        sums=("rr_10", "count"),
        formula=share("rr_10"),
        per="mean of 1/rank",
        about="Mean over all rows of 1 / rank of the best-ranked label, 0 for ranks beyond 10.",
        places=Places(validation=7),
        in_bands=False,
    ),
    Metric(
        name="ndcg_at_10",
        label="NDCG@10",
        kinds=("several",),
        sums=("ndcg_10", "count"),
        formula=share("ndcg_10"),
        per="mean gain",
        about="Mean over all rows of the sum of 1 / log2(1 + rank) over the labels with a rank of at most 10, as a "
        "share of the greatest possible sum.",
        places=Places(column=8, terminal=4),
        in_bands=False,
    ),
    _propensity_scored(1, column=4),
    _propensity_scored(3, column=5),
    _propensity_scored(5, column=6, terminal=5, validation=6),
    calibration_metric(
        "ece",
        "ECE",
        0.0,
        "Expected calibration error: mean difference between the probability of the most probable class and the share "
        "of correct predictions, over bins of the probability. A prediction is correct if its class is a label of the "
        "row; with the loss softmax, which predicts one label drawn from n, it counts 1/n.",
        "several",
        column=10,
    ),
    calibration_metric(
        "ece_confident",
        "ECE (p ≥ 0.1)",
        CONFIDENT,
        "Expected calibration error over the predictions with a probability of at least 0.1.",
        "several",
    ),
    _number(
        "count",
        "rows",
        "Number of rows with a label. Of a band: each row counts by the share of its labels in the band.",
    ),
    _number("known", "rows with a label in the vocabulary", "Number of rows with a label in the vocabulary."),
    _number("labels", "labels", "Number of labels."),
    _number("labels_known", "labels in the vocabulary", "Number of labels in the vocabulary."),
    Metric(
        name="oov_rate",
        label="out-of-vocabulary rate",
        kinds=("several",),
        sums=("labels", "labels_known"),
        formula=lambda of: (of["labels"] - of["labels_known"]) / of["labels"] if of["labels"] else math.nan,
        better=None,
        about="Share of the labels outside the vocabulary.",
        places=Places(),
    ),
)
"""All metrics of several labels, in their order in files."""
