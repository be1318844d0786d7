"""Targets that a model is measured on: its label, and each further target.

Each target has a row of sums per Example, added up over a split or a slice. With weights, the sums of all labels are
there a second time, with each label counted by its weight: the metrics of this view have the same formulas. The model's
`eval` signature returns the sums. The sums of the target's baselines are stored beside each Example in the same order,
without those that only the model has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.ingest.spec import DataSpec, LabelKind
from components.metrics.bands import BANDS
from components.metrics.definitions import WEIGHTED, Kind, Metric, Sum
from components.metrics.own import own_metrics
from components.metrics.table import of_kind
from components.names import OWN, escaped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BaselineName = Literal["popular", "bigram", "trigram", "cooccurrence", "history", "bayes", "nearest", "mean"]
RANKING_ONLY: frozenset[BaselineName] = frozenset({"cooccurrence", "history", "nearest"})
"""Baselines that rank the classes and have no probabilities. Their nll is NaN."""
LABEL_KINDS: Mapping[LabelKind, Kind] = {"class": "label", "classes": "several", "number": "number"}
"""Kind of the label in the table of metrics."""
ROW_NUMBER = f"{OWN}row"
"""Feature of a test row: its number, from 0. The Evaluator groups the rows of a bootstrap by it."""


@dataclass(frozen=True)
class Target:
    """Target that a model is measured on: the label or a further target.

    Attributes:
        column: Column of a further target; empty for the label.
        kind: Kind of label or target.
        baselines: Baselines of the target. The sums of each baseline are a feature of every Example.
        own: Paths of a user's own metrics. Paths, since a target is sent to Beam workers and is part of a cache key.
        weight: Column with the weights of the labels; empty without weights.
    """

    column: str
    kind: Kind
    baselines: tuple[BaselineName, ...]
    own: tuple[str, ...] = ()
    weight: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Target:
        """Return the target with these fields, whose tuples may be lists after a conversion from JSON."""
        names = tuple(fields["baselines"]), tuple(fields.get("own", ()))
        return cls(fields["column"], fields["kind"], *names, fields.get("weight", ""))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics of the target: those of the table, then a user's own."""
        return _metrics(self.kind, self.own)

    @property
    def sums(self) -> tuple[Sum, ...]:
        """Sums of the model and of the baselines, in each of `views`."""
        return _sums_of(self.kind, self.own, False)

    @property
    def model_sums(self) -> tuple[Sum, ...]:
        """Sums of the model alone, in each of `model_views`."""
        return _sums_of(self.kind, self.own, True)

    @property
    def bands(self) -> tuple[str | None, ...]:
        """All labels (None) and the bands of labels."""
        return (None, *BANDS) if self.kind in ("label", "several") else (None,)

    @property
    def views(self) -> tuple[str | None, ...]:
        """`bands` and, with weights, `WEIGHTED`: all labels by their weights. Each of them has all `sums`."""
        return (*self.bands, WEIGHTED) if self.weight else self.bands

    @property
    def model_views(self) -> tuple[str | None, ...]:
        """All labels (None) and, with weights, `WEIGHTED`. Each of them has all `model_sums`."""
        return (None, WEIGHTED) if self.weight else (None,)

    @property
    def stored_names(self) -> tuple[str, ...]:
        """Names of the sums that a baseline stores: `count`, `known`, ..., then `count_head`, ... for each view."""
        return _stored_names(self)

    @property
    def sum_names(self) -> tuple[str, ...]:
        """Names of the sums in the `eval` signature: `stored_names`, then the names of `model_sums`."""
        return _sum_names(self)

    def measures(self, metric: Metric, baseline: str) -> bool:
        """Return True if a baseline has this metric. A baseline that only ranks has no metric of probabilities."""
        sums = {of.name: of for of in _sums(self.kind, self.own)}
        found = [sums[of if isinstance(of, str) else of.name] for of in metric.sums]
        ranks_only = baseline in RANKING_ONLY
        return not any(of.of_model or (ranks_only and "nll" in of.needs) for of in found)

    def feature(self, baseline: str) -> str:
        """Return the feature of an Example with a baseline's sums: a float list in the order of `stored_names`."""
        return OWN + self.name(f"baseline/{baseline}")

    def stored(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert sums to values that fit into a float list: squares to their roots, because float32 ends at 3e38.

        Args:
            sums: (..., len(stored_names)) sums.
        """
        import numpy as np  # Not with the module: a configuration is loaded in half the time without NumPy.

        squares = _squares(self)
        return sums if squares is None else np.where(squares, np.sqrt(np.abs(sums)), sums)

    def restored(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Convert stored values back to sums.

        Args:
            values: (..., len(stored_names)) values from `stored`.
        """
        import numpy as np

        values, squares = np.asarray(values, np.float64), _squares(self)
        return values if squares is None else np.where(squares, np.square(values), values)

    def name(self, metric: str, baseline: str | None = None, view: str | None = None) -> str:
        """Return the TFMA name of a metric, such as `nll_head` or `target/party/baseline/popular/nll`.

        The column is `escaped`, so that a slash in it does not separate components of the name.
        """
        name = metric if view is None else f"{metric}_{view}"
        name = name if baseline is None else f"baseline/{baseline}/{name}"
        return f"target/{escaped(self.column)}/{name}" if self.column else name

    def measured(self, sums: NDArray[np.float64], view: str | None = None) -> dict[str, float]:
        """Return the metrics by name. A metric without labels, without its sums, or not of bands, is NaN.

        Args:
            sums: (len(sum_names),) totals of a model, or only the first len(stored_names) of them.
            view: One of `views`; None for all labels.
        """
        start = self.views.index(view) * len(self.sums)
        totals = {of.name: float(sums[start + place]) for place, of in enumerate(self.sums)}
        totals |= self.model_totals(sums, view) if view in self.model_views else self.model_totals(())
        return {
            metric.name: metric.formula(totals) if metric.in_bands or view in self.model_views else math.nan
            for metric in self.metrics
        }

    def model_totals(self, sums: Sequence[float] | NDArray[np.float64], view: str | None = None) -> dict[str, float]:
        """Return the totals of `model_sums` by name, NaN if `sums` ends before them.

        Args:
            sums: (len(sum_names),) totals of a model, or only the first of them.
            view: One of `model_views`.
        """
        start = len(self.views) * len(self.sums) + self.model_views.index(view) * len(self.model_sums)
        has_them = len(sums) > start
        return {
            of.name: float(sums[start + place]) if has_them else math.nan for place, of in enumerate(self.model_sums)
        }

    def values(self, sums: NDArray[np.float64], baseline: str | None = None) -> dict[str, float]:
        """Return the metrics of each view by their TFMA names.

        Args:
            sums: (len(sum_names),) totals of the model, or (len(stored_names),) totals of a baseline.
            baseline: Baseline that the totals belong to; None for the model.
        """
        return {
            self.name(metric, baseline, view): value
            for view in self.views
            for metric, value in self.measured(sums, view).items()
        }


def compared(target: Target) -> tuple[Metric, ...]:
    """Return the metrics that compare a model with the baselines, in the order of the report's columns."""
    return tuple(sorted((m for m in target.metrics if m.compare), key=lambda metric: metric.places.column))


@functools.cache
def _metrics(kind: Kind, own: tuple[str, ...]) -> tuple[Metric, ...]:
    return (*of_kind(kind), *(metric for metric in own_metrics(own) if kind in metric.kinds))


@functools.cache
def _sums(kind: Kind, own: tuple[str, ...]) -> tuple[Sum, ...]:
    from components.metrics.sums import needed  # TensorFlow takes seconds to load.

    return needed(_metrics(kind, own), kind)


# The Evaluator asks for these of each row. They are not kept in a target, which is sent to Beam workers.
@functools.cache
def _sums_of(kind: Kind, own: tuple[str, ...], of_model: bool) -> tuple[Sum, ...]:
    return tuple(of for of in _sums(kind, own) if of.of_model == of_model)


@functools.cache
def _stored_names(target: Target) -> tuple[str, ...]:
    return tuple(target.name(of.name, view=view) for view in target.views for of in target.sums)


@functools.cache
def _sum_names(target: Target) -> tuple[str, ...]:
    of_model = (target.name(of.name, view=view) for view in target.model_views for of in target.model_sums)
    return (*_stored_names(target), *of_model)


@functools.cache
def _squares(target: Target) -> NDArray[np.bool_] | None:
    """Return which of the stored sums are squares, or None if none is."""
    import numpy as np

    squares = np.array([of.squared for _ in target.views for of in target.sums])
    return squares if squares.any() else None


def label_baselines(data: DataSpec, exclude_seen: bool = False) -> tuple[BaselineName, ...]:
    """Return the baselines that apply to the label.

    - A number: `mean`.
    - Several classes: `popular`, `bayes` and `nearest`; after items, which are inputs with tokenizer `none`, also
      `history`.
    - A class: `popular` and `bigram`; for sequences also `trigram`, because a labeled row has no order of labels.
    - A class after items, which are inputs with tokenizer `none`: also `cooccurrence` and `history`. Words of a text
      co-occur with nearly all other words, so that these two would be slow and weak there.

    Args:
        data: Columns, shape and tokenizer of the data.
        exclude_seen: True to remove seen items from the ranking. `history` is then the same as `popular`, and does not
            apply.
    """
    if data.label_kind == "number":
        return ("mean",)
    if data.several_labels:
        return ("popular", *(("history",) if data.tokenizer == "none" else ()), "bayes", "nearest")
    ngrams: tuple[BaselineName, ...] = ("popular", "bigram", "trigram")
    items: tuple[BaselineName, ...] = ("cooccurrence",) if exclude_seen else ("cooccurrence", "history")
    return (
        *(ngrams if data.shape == "sequence" else ngrams[:2]),
        *(items if data.tokenizer == "none" else ()),
    )


def label_target(data: DataSpec, own: Sequence[str] = (), exclude_seen: bool = False) -> Target:
    """Return the label as a target, with the baselines that apply.

    Args:
        data: Columns, shape and tokenizer of the data.
        own: Paths of a user's own metrics.
        exclude_seen: True to remove seen items from the ranking.
    """
    kind, baselines = LABEL_KINDS[data.label_kind], label_baselines(data, exclude_seen)
    return Target("", kind, baselines, tuple(own), data.weight or "")


def further_targets(data: DataSpec, own: Sequence[str] = ()) -> tuple[Target, ...]:
    """Return the further targets of the data, in the order of the configuration.

    Args:
        data: Columns of the data.
        own: Paths of a user's own metrics.
    """
    weight = data.weight or ""
    return tuple(
        Target(name, "number", ("mean",), tuple(own), weight)
        if spec.kind == "number"
        else Target(name, "class", ("popular",), tuple(own), weight)
        for name, spec in data.targets.items()
    )
