"""What is measured of a model: its label, and each further target.

Each part is a row of sums per Example, added up over a split or a slice, as the label's are (`columns`). The model's
`eval` signature answers the sums, the part's baselines are stored beside each Example in the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.ingest.spec import DataSpec
from components.metrics.columns import BANDS, COLUMNS, METRICS, metrics_of
from components.names import OWN, escaped

Kind = Literal["label", "class", "number"]
BaselineName = Literal["popular", "bigram", "trigram", "mean"]

CLASS_SUMS = ("count", "known", "nll", "hit_1")
"""Of a further target: labels whose row has a value, those with a known one, nats over these, hits."""
CLASS_METRICS = ("accuracy", "nll", "count", "known")
NUMBER_SUMS = ("count", "squared_error", "absolute_error", "deviation", "squared_deviation")
"""Labels with a number, the errors' squares and magnitudes; the number's distance from the train split's mean, and its
square: about the mean, so that the variance is not the difference of two large sums."""
_SQUARES = [column.startswith("squared_") for column in NUMBER_SUMS]
NUMBER_METRICS = ("rmse", "mae", "r2", "count")

LABEL_BASELINES: dict[str, tuple[BaselineName, ...]] = {
    "sequence": ("popular", "bigram", "trigram"),
    "labelled": ("popular", "bigram"),
}
_COLUMNS = {"label": COLUMNS, "class": CLASS_SUMS, "number": NUMBER_SUMS}
_METRICS = {"label": METRICS, "class": CLASS_METRICS, "number": NUMBER_METRICS}


@dataclass(frozen=True)
class Part:
    """The label or a further target.

    Attributes:
        target: the column of a further target; empty for the label.
        kind: `label` for classes of the label vocabulary, with bands; `class` for a further target's; `number`.
        baselines: what it is measured against; the same sums of each are a feature of every Example.
    """

    target: str
    kind: Kind
    baselines: tuple[BaselineName, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The sums, as the `eval` signature calls them."""
        return tuple(self.name(column) for column in _COLUMNS[self.kind])

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the sums make."""
        return _METRICS[self.kind]

    def feature(self, baseline: str) -> str:
        """The feature of an Example that holds a baseline's sums: a float list in the order of `columns`."""
        return OWN + self.name(f"baseline/{baseline}")

    def stored(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert sums to values that fit a float list: squares to their roots, as float32 ends at 3e38.

        Args:
            sums: (..., len(columns)).
        """
        return np.where(_SQUARES, np.sqrt(np.abs(sums)), sums) if self.kind == "number" else sums

    def restored(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Convert stored values back to sums.

        Args:
            values: (..., len(columns)) of `stored`.
        """
        values = np.asarray(values, np.float64)
        return np.where(_SQUARES, np.square(values), values) if self.kind == "number" else values

    def name(self, metric: str, baseline: str | None = None, band: str | None = None) -> str:
        """The TFMA name of a metric: `nll`, `nll_head`, `baseline/bigram/nll`, `target/party/baseline/popular/nll`.

        The target's name is `escaped`, so that its parts can be told.
        """
        name = metric if band is None else f"{metric}_{band}"
        name = name if baseline is None else f"baseline/{baseline}/{name}"
        return f"target/{escaped(self.target)}/{name}" if self.target else name

    def values(self, sums: NDArray[np.float64], baseline: str | None = None) -> dict[str, float]:
        """The metrics by their TFMA names.

        Args:
            sums: (len(columns),) totals of the model, or of a baseline.
            baseline: whose they are.
        """
        if self.kind == "label":
            return {
                self.name(metric, baseline, band): value
                for band in (None, *BANDS)
                for metric, value in metrics_of(sums, band).items()
            }
        found = class_metrics(sums) if self.kind == "class" else number_metrics(sums)
        return {self.name(metric, baseline): value for metric, value in found.items()}


def label_part(data: DataSpec) -> Part:
    """The label's part. A labelled row has no order of labels, so no trigram; a number has its mean."""
    if data.label_kind == "number":
        return Part("", "number", ("mean",))
    return Part("", "label", LABEL_BASELINES[data.shape])


def target_parts(data: DataSpec) -> tuple[Part, ...]:
    """The further targets' parts."""
    return tuple(
        Part(name, "number", ("mean",)) if target.kind == "number" else Part(name, "class", ("popular",))
        for name, target in data.targets.items()
    )


def class_metrics(sums: NDArray[np.float64]) -> dict[str, float]:
    """Accuracy over all labels whose row has a value, an unknown one being a miss; nll (nats) over the known ones.

    Args:
        sums: (len(CLASS_SUMS),) totals. NaN where there is no such label.
    """
    count, known, nll, hits = (float(x) for x in sums)
    return {
        "accuracy": hits / count if count else math.nan,
        "nll": nll / known if known else math.nan,
        "count": count,
        "known": known,
    }


def number_metrics(sums: NDArray[np.float64]) -> dict[str, float]:
    """Root of the mean squared error and mean absolute error, in the column's units, and R^2.

        R^2 = 1 - sum (y - t)^2 / sum (t - mean t)^2

    Args:
        sums: (len(NUMBER_SUMS),) totals. NaN where there is no number, and R^2 where all numbers are equal.
    """
    count, squared, absolute, deviation, squared_deviation = (float(x) for x in sums)
    if not count:
        return {"rmse": math.nan, "mae": math.nan, "r2": math.nan, "count": count}
    spread = squared_deviation - deviation**2 / count
    # What rounding leaves of a spread of nothing is no spread.
    equal = not spread > 1e-6 * squared_deviation
    return {
        "rmse": math.sqrt(squared / count),
        "mae": absolute / count,
        "r2": math.nan if equal else 1.0 - squared / spread,
        "count": count,
    }
