"""A user's own metrics, which a configuration names by path: `my_package.metrics:RECALL_AT_50`."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Container, Iterator, Sequence

from components.extensions import resolve, source_modules
from components.messages.spelling import did_you_mean
from components.metrics.bands import BANDS
from components.metrics.definitions import CLASS_NEEDS, NUMBER_NEEDS, SEVERAL_NEEDS, Kind, Metric, Sum
from components.metrics.table import BY_NAME

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@functools.cache
def own_metric(path: str) -> Metric:
    """Return the metric at a path.

    Args:
        path: Path of the form `package.module:NAME`.

    Raises:
        ValueError: The module cannot be imported, it has no such metric, or the metric has a fault. The message does
            not repeat the path.
    """
    module, _, name = path.partition(":")
    try:
        metric = resolve(path, "metric", lambda value: isinstance(value, Metric))
    except ValueError:
        found = getattr(sys.modules.get(module), name, None) if name else None
        if found is None:
            raise
        raise ValueError(f"{name} is of type {type(found).__name__}, not a components.metrics.Metric") from None
    if fault := next(_faults(metric), None):
        raise ValueError(fault)
    return metric


def own_metrics(paths: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics at the given paths, in the same order.

    Raises:
        ValueError: See `own_metric`. Also if two metrics, or two sums, have the same name.
    """
    metrics = {path: own_metric(path) for path in paths}
    names: dict[str, str] = {}
    sums: dict[str, Sum] = {}
    for path, metric in metrics.items():
        if other := names.get(metric.name):
            raise ValueError(f"{path} and {other} both have the name {metric.name!r}")
        names[metric.name] = path
        for of in metric.sums:
            if isinstance(of, Sum) and sums.setdefault(of.name, of) is not of:
                raise ValueError(f"{path}: another metric has a sum with the name {of.name!r}")
    return tuple(metrics.values())


def modules_of(paths: Sequence[str]) -> tuple[str, ...]:
    """Return the modules that define the metrics at the given paths, for `components.code.fingerprint`."""
    return tuple(dict.fromkeys(module for path in paths for module in source_modules(path)))


def _faults(metric: Metric) -> Iterator[str]:
    if "number" in metric.kinds and len(metric.kinds) > 1:
        yield "kinds: a metric is of classes ('label', 'several', 'class') or of numbers ('number'), not of both"
    yield from _name_faults("metric", metric.name, BY_NAME)
    if metric.objective:
        yield "objective: a user's own metric cannot decide a training"
    if metric.places.history and not metric.places.validation:
        yield "places: a metric with a place in 'history' needs one in 'validation'"
    yield from dict.fromkeys(fault for kind in metric.kinds for fault in _faults_of_sums(metric, kind))
    names = [of if isinstance(of, str) else of.name for of in metric.sums]
    try:
        metric.formula(dict.fromkeys(names, 0.0))
    except KeyError as error:
        yield f"formula: {error} is not one of the metric's sums, {', '.join(names)}"
    except ZeroDivisionError:
        yield "formula: divides by 0 where there is no label; return math.nan then"


def _faults_of_sums(metric: Metric, kind: Kind) -> Iterator[str]:
    from components.metrics.sums import sums_of  # TensorFlow takes seconds to load.

    taken = {of.name: of for of in sums_of(kind)}
    # Sums of the model alone exist only for the label, and not in validations, where most metrics are shown.
    table = {name: of for name, of in taken.items() if not of.of_model}
    needs = {"number": NUMBER_NEEDS, "several": SEVERAL_NEEDS}.get(kind, CLASS_NEEDS)
    for of in metric.sums:
        if isinstance(of, str):
            if of not in table:
                yield f"sums: {of!r} is not one of {', '.join(table)}{did_you_mean(of, table)}"
            continue
        yield from _name_faults("sum", of.name, taken)
        for need in of.needs:
            if need not in needs:
                yield f"sum {of.name!r}: needs {need!r}, but has {', '.join(needs)}{did_you_mean(need, needs)}"


def _name_faults(noun: str, name: str, taken: Container[str]) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"the name of a {noun} has small letters, digits and '_' (found {name!r})"
    if name in taken:
        yield f"BigVocab has a {noun} with the name {name!r}"
    if "_over_" in name or name.endswith(tuple(f"_{band}" for band in BANDS)):
        yield f"the name of a {noun} does not contain '_over_' or end in {', '.join(f'_{b}' for b in BANDS)} ({name!r})"
