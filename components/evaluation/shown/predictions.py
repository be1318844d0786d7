"""Predictions of a sample of the test split, for people: examples, and the labels that it predicts worst.

The `eval` signature has no predictions, only sums over the labels of a row. The export therefore answers a seeded
sample of rows once more by `serving_default`: of a sequence, the tokens before one label. Rows are drawn evenly from
the first rows of the split.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components.ingest.spec import DataSpec
from components.metrics.targets import Target
from components.names import FIRST_LABEL, OWN
from components.training.export.description import Description

SAMPLE = 4_000
"""Number of rows in the sample, at most."""
NEAR = 10
"""Last place of the label in a `near` prediction."""
_ROWS_READ, _BATCH, _SEED = 20_000, 250, 0
_EACH, _OF_SLICES = 4, 24
"""Examples of each result, and further examples of the values of slices."""
_ANSWERS, _TOKENS = 5, 24
"""Answers and input tokens of an example."""
_LEAST, _LABELS = 5, 10
"""Least number of rows of a label to compare it, and number of labels in a list."""


@dataclass(frozen=True)
class Asked:
    """Row of the sample.

    Attributes:
        record: Serialized tf.Example. A sequence ends before the label.
        tokens: Input tokens.
        truth: Labels of the row, one of them unless rows may have several.
        slices: Value of each column of the slices.
        hits: For each baseline, whether the label is among its first ten. Empty if a row of the split has many labels.
    """

    record: bytes
    tokens: list[str]
    truth: list[str]
    slices: dict[str, str]
    hits: dict[str, float]


@dataclass(frozen=True)
class Answered:
    """Answer of the model to a row.

    Attributes:
        asked: The row.
        labels: Predicted labels, the most probable first.
        probabilities: Their probabilities.
    """

    asked: Asked
    labels: list[str]
    probabilities: list[float]

    @property
    def rank(self) -> int | None:
        """Place of the best-ranked true label from 1, or None if it is not among the predicted labels."""
        return next((n for n, label in enumerate(self.labels, start=1) if label in self.asked.truth), None)

    @property
    def result(self) -> str:
        """`right`: the label is the most probable class. `near`: it is among the first ten. `wrong`: it is not."""
        return "wrong" if self.rank is None or self.rank > NEAR else "right" if self.rank == 1 else "near"


def sampled(records: Iterator[bytes], data: DataSpec, slices: Sequence[str], label: Target) -> list[Asked]:
    """Draw the rows of the sample. Rows without a label to predict are left out.

    Args:
        records: Serialized tf.Examples of the test split, with the sums of the baselines.
        data: Meaning of the columns.
        slices: Columns of the slices.
        label: Label as a target.
    """
    rows = [*itertools.islice(records, _ROWS_READ)]
    generator = np.random.default_rng(_SEED)
    # A sequence has many labels, so a short split gives several of each row.
    draws = SAMPLE if data.shape == "sequence" else min(SAMPLE, len(rows))
    found: dict[tuple[int, int], Asked] = {}
    for draw in generator.permutation(draws) if rows else ():
        row = int(draw) * len(rows) // draws
        asked = _asked(tf.train.Example.FromString(rows[row]), data, slices, label, generator)
        if asked is not None:  # A short sequence may be drawn several times, but each of its labels only once.
            found[row, len(asked.tokens)] = asked
    return [*found.values()]


def answered(model: Any, asked: Sequence[Asked], excluded: bool = False) -> list[Answered]:
    """Ask a loaded SavedModel for the predictions of rows.

    Args:
        model: SavedModel with the signature `serving_default`.
        asked: The rows.
        excluded: True to leave out labels that the row contains already, as the evaluation does.
    """
    found = []
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        outputs = model.signatures["serving_default"](examples=tf.constant([row.record for row in batch]))
        for row, labels, probabilities in zip(
            batch, outputs["labels"].numpy(), outputs["probabilities"].numpy(), strict=True
        ):
            seen = set(row.tokens) if excluded else ()
            pairs = [
                (_text(of), float(p)) for of, p in zip(labels, probabilities, strict=True) if _text(of) not in seen
            ]
            found.append(Answered(row, [of for of, _ in pairs], [p for _, p in pairs]))
    return found


def examples(rows: Sequence[Answered]) -> list[dict[str, Any]]:
    """Return some predictions: the first of each result, then the first of each value of a slice and result."""
    seen: Counter[tuple[str, ...]] = Counter()
    first, more = [], []
    for row in rows:
        seen[row.result,] += 1
        if seen[row.result,] <= _EACH:
            first.append(row)
            continue
        keys = [(column, value, row.result) for column, value in row.asked.slices.items()]
        if len(more) < _OF_SLICES and any(not seen[key] for key in keys):
            seen.update(keys)
            more.append(row)
    order = ("right", "near", "wrong")
    return [_described(row) for part in (first, more) for row in sorted(part, key=lambda of: order.index(of.result))]


def labels(rows: Sequence[Answered]) -> dict[str, Any]:
    """Return the labels with the lowest recall@10 in the sample, and those with the greatest gain over a baseline.

    Returns:
        `hardest` and, if the baselines are known for each label, `most_improved`: lists of `label`, `count`,
        `recall_at_10` and `baseline_recall_at_10`; and `baseline`, the best one over the sample, or None.
    """
    alone = [row for row in rows if len(row.asked.truth) == 1]
    totals: Counter[str] = Counter()
    for row in alone:
        totals.update(row.asked.hits)
    baseline = max(totals, key=lambda name: totals[name]) if totals else None
    counts, hits = Counter[str](), Counter[str]()
    theirs: defaultdict[str, float] = defaultdict(float)
    for row in alone:
        (label,) = row.asked.truth
        counts[label] += 1
        hits[label] += row.result != "wrong"
        theirs[label] += row.asked.hits[baseline] if baseline else 0
    compared = [
        {
            "label": label,
            "count": count,
            "recall_at_10": hits[label] / count,
            "baseline_recall_at_10": theirs[label] / count if baseline else None,
        }
        for label, count in counts.items()
        if count >= _LEAST
    ]
    hardest = sorted(compared, key=lambda of: (of["recall_at_10"], -of["count"], of["label"]))[:_LABELS]
    gains = [of for of in compared if baseline and of["recall_at_10"] > of["baseline_recall_at_10"]]
    improved = sorted(gains, key=lambda of: (of["baseline_recall_at_10"] - of["recall_at_10"], -of["count"]))
    return {"baseline": baseline, "hardest": hardest, "most_improved": improved[:_LABELS]}


def _asked(
    example: tf.train.Example, data: DataSpec, slices: Sequence[str], label: Target, generator: np.random.Generator
) -> Asked | None:
    """Return a row of the sample, or None if the row has no label to predict."""
    feature = example.features.feature
    hits: dict[str, float] = {}
    if data.shape == "sequence":
        (column,) = data.inputs
        tokens = [*feature[column].bytes_list.value]
        first = feature[FIRST_LABEL].int64_list.value[0] if FIRST_LABEL in feature else 1
        if first >= len(tokens):
            return None
        place = int(generator.integers(max(1, first), len(tokens)))
        truth = [tokens[place]]
        for name in (column, *data.token_columns):
            _cut(feature[name], place)
        shown = tokens[:place]
    else:
        truth = [*feature[str(data.label)].bytes_list.value]
        shown = [token for column in data.inputs for token in feature[column].bytes_list.value]
        if not truth:
            return None
        place = label.stored_names.index("hit_10")
        hits = {of: float(feature[label.feature(of)].float_list.value[place]) for of in label.baselines}
    values = {column: _value(feature[column]) for column in slices if column in feature}
    for name in [name for name in feature if name.startswith(OWN)]:
        del feature[name]
    return Asked(
        example.SerializeToString(), [*map(_text, shown)], [*map(_text, truth)], values, hits if len(truth) == 1 else {}
    )


def _described(row: Answered) -> dict[str, Any]:
    tokens = row.asked.tokens
    return {
        "result": row.result,
        "input": " ".join(["…", *tokens[-_TOKENS:]] if len(tokens) > _TOKENS else tokens),
        "truth": row.asked.truth,
        "rank": row.rank,
        "answers": [
            {"label": label, "probability": probability}
            for label, probability in zip(row.labels[:_ANSWERS], row.probabilities[:_ANSWERS], strict=True)
        ],
        "slices": row.asked.slices,
    }


def _cut(feature: tf.train.Feature, size: int) -> None:
    """Remove the values from a position on."""
    values = getattr(feature, str(feature.WhichOneof("kind"))).value if feature.WhichOneof("kind") else []
    del values[size:]


def _value(feature: tf.train.Feature) -> str:
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else []
    return ", ".join(_text(of) if isinstance(of, bytes) else f"{of:g}" for of in values)


def _text(token: bytes) -> str:
    return token.decode("utf-8", errors="replace")


def described(
    model: Any, about: Description, records: Iterator[bytes], slices: Sequence[str], label: Target
) -> dict[str, Any]:
    """Return the section `predictions` of a summary; empty if the label is a number or a basket.

    Args:
        model: Loaded SavedModel of the export.
        about: Description of the export.
        records: Serialized tf.Examples of the test split, with the sums of the baselines.
        slices: Columns of the slices.
        label: Label as a target.
    """
    data = DataSpec.model_validate(about.data)
    if label.kind == "number" or data.baskets or (data.shape == "sequence" and len(data.inputs) > 1):
        return {}
    rows = answered(model, sampled(records, data, slices, label), about.exclude_seen)
    if not rows:
        return {}
    results = Counter(row.result for row in rows)
    first = sum(min(_EACH, count) for count in results.values())
    return {
        "rows": len(rows),
        "results": dict(results),
        "examples": examples(rows),
        "shown_first": first,
        "least": _LEAST,
        **labels(rows),
    }
