"""Comparison of runs and versions: configurations, metrics over the same rows, and rows that they answer otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from components.evaluation.confidence.margins import LEVEL, RESAMPLES
from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.inference.rows.questions import Question
from components.messages.exit_codes import FAILED, UserError
from components.messages.formatting import listed
from components.messages.progress import Progress
from components.metrics.own import own_metric
from pipeline.comparison import settings
from pipeline.comparison.cases import Draw, cases
from pipeline.comparison.measuring import Measurement, batches, targets_of
from pipeline.comparison.results import Comparison, Model
from pipeline.comparison.rows import Rows, rows_of_file, test_rows
from pipeline.comparison.sides import Side
from pipeline.comparison.summaries import groups_of
from pipeline.prediction.evaluation import installed

_REASONS = 5
"""Reasons for unusable rows that are shown for each model."""
Warn = Callable[[str], None]


def compare(sides: Sequence[Side], file: str | None, shown: int, warn: Warn) -> Comparison:
    """Compare runs or versions with the first of them.

    If a run has no model any more, only the figures of the summaries are compared, without intervals.

    Args:
        sides: At least two runs or versions.
        file: File of rows with labels. None: the test rows of the first run.
        shown: Number of rows to show that only one of two models answers right.
        warn: Function that prints a line of warning.

    Raises:
        UserError: The models have no metric in common, or the rows do not exist.
        PredictError: A model or the file cannot be read, or no row can be used by all models.
    """
    notes = [*_notes_on_runs(sides)]
    trees, more = _settings(sides)
    found: dict[str, Any] = {"settings": settings.differences(trees), "level": LEVEL, "resamples": RESAMPLES}
    without = [side for side in sides if side.model is None]
    if without:
        if file is not None:
            raise UserError(f"--rows {file}: {listed(f'{s.name} has no model ({s.reason})' for s in without)}")
        reasons = listed(f"{side.name} has no model any more ({side.reason})" for side in without)
        notes.append(f"Without intervals and rows: {reasons}. Each figure is that of the run's own report.")
        groups, about = groups_of(sides)
        return Comparison(
            rows="each run's own test split",
            measured=None,
            models=[_model(side) for side in sides],
            groups=groups,
            cases=[],
            notes=[*notes, *about, *more],
            own_metrics=sides[0].summary.own_metrics if sides[0].summary else [],
            **found,
        )
    return _of_models(sides, file, shown, warn, found, [*notes, *more])


def _of_models(
    sides: Sequence[Side], file: str | None, shown: int, warn: Warn, found: dict[str, Any], notes: list[str]
) -> Comparison:
    models = [side.model for side in sides if side.model]
    names = [side.name for side in sides]
    own = tuple(installed([p for p in models[0].own_metrics if all(p in m.own_metrics for m in models)], warn))
    targets = targets_of(models, own)
    rows = rows_of_file(models, file, warn) if file is not None else test_rows(sides)
    labels = [model.known_labels() for model in models] if targets[0].kind == "label" else []
    other_labels = len(set(labels)) > 1
    if other_labels:
        notes.append(_about_labels(names, labels))
    excluded = {bool(model.exclude_seen) for model in models}
    if len(excluded) > 1:
        notes.append(
            "evaluation.exclude_seen differs: some models leave the items of a row out of their ranking, and others do "
            "not, so that recall and MRR are not comparable."
        )
    measurement = Measurement(targets, names, known=other_labels)
    draws = [Draw(targets[0], other, shown) for other in range(1, len(models))]
    unusable = _count_unusable(names, models, rows, measurement, draws, warn)
    if not measurement.rows:
        read = sum(unusable)
        raise PredictError(
            f"none of the rows of {rows.name} can be used by all models: the reasons are above"
            if read
            else f"{rows.name} has no rows: nothing to measure",
            FAILED,
        )
    if sum(unusable):
        counts = listed(f"{name} {count:,}" for name, count in zip(names, unusable, strict=True) if count)
        notes.append(f"Rows that a model cannot read are left out for all models: {counts}.")
    return Comparison(
        rows=rows.name,
        measured=measurement.rows,
        models=[_model(side, count) for side, count in zip(sides, unusable, strict=True)],
        groups=[*measurement.groups()],
        cases=[
            cases(draw, (models[0], model), excluded == {True}, name)
            for draw, model, name in zip(draws, models[1:], names[1:], strict=True)
        ],
        notes=[*rows.notes, *notes],
        own_metrics=[own_metric(path).column for path in own],
        **found,
    )


def _count_unusable(
    names: Sequence[str],
    models: Sequence[PushedModel],
    rows: Rows,
    measurement: Measurement,
    draws: Sequence[Draw],
    warn: Warn,
) -> list[int]:
    """Measure the models over the rows, and return the number of rows that each of them cannot read."""
    counts = [0] * len(models)

    def unusable(model: int, question: Question) -> None:
        counts[model] += 1
        if counts[model] <= _REASONS:
            warn(f"{question.where}: not for {names[model]}: {question.reason}")

    progress = Progress("compare", rows.total, "rows") if rows.total else None
    for batch in batches(models, rows.questions, unusable):
        sums = measurement.add(batch)
        for draw in draws:
            draw.add(batch.questions, sums)
        if progress:
            progress.update(min(measurement.rows + max(counts), progress.total))
    if progress:
        progress.close()
    return counts


def _settings(sides: Sequence[Side]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the sections of the configuration that are known of each side, and a note on those that are not."""
    trees = [side.settings for side in sides]
    if any(not tree for tree in trees):
        lacking = [side.name for side, tree in zip(sides, trees, strict=True) if not tree]
        return [{} for _ in trees], [f"The configurations are not compared: that of {listed(lacking)} is not known."]
    if not all("trainer" in tree for tree in trees):
        lacking = [side.name for side, tree in zip(sides, trees, strict=True) if "trainer" not in tree]
        note = (
            f"Of the configurations, only `data` is compared: no metadata store beside {listed(lacking)} records the "
            "other keys."
        )
        return [{"data": tree["data"]} for tree in trees], [note]
    return trees, []


def _notes_on_runs(sides: Sequence[Side]) -> Iterator[str]:
    for side in sides:
        if side.version and side.summary and not side.summary.pushed:
            yield (
                f"The last run of {side.name} pushed no model: version {side.version.name} of an earlier run is "
                "compared."
            )


def _model(side: Side, unusable: int = 0) -> Model:
    return Model(
        name=side.name,
        version=str(side.version) if side.version else None,
        root=str(side.root) if side.root else None,
        unusable=unusable,
    )


def _about_labels(names: Sequence[str], known: Sequence[frozenset[str]]) -> str:
    apart = [
        f"{len(own - known[0]):,} labels only {name} and {len(known[0] - own):,} only {names[0]} knows"
        for name, own in zip(names[1:], known[1:], strict=True)
        if own != known[0]
    ]
    return (
        f"The models know different labels: {listed(apart)}. A label that a model does not know is a miss in recall "
        "and MRR, and does not count for its nll and perplexity. Compare these over the rows whose labels all models "
        "know."
    )
