"""Contents of a model card, from the results of the run.

The sections follow Mitchell et al., "Model Cards for Model Reporting" (2019). Nothing in a card is a claim that the run
did not measure, except for the statements of the configuration (`card`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import yaml

from components import choices
from components.messages.formatting import figure, share
from components.messages.redaction import redacted
from components.metrics.definitions import Column
from components.pushing.card.intervals import Intervals, Measured, measured
from components.report.summary import Summary
from components.report.tables import about_margins, best_baseline, columns, counted, margin_in_words, margins
from components.report.versions import installed_versions

if TYPE_CHECKING:
    from tfx.types import Artifact

    from components.node import Node

NOT_STATED = "not stated"
_MOST_VALUES = 40
"""Values of a column whose slices are listed, those with the most labels first."""
_WORST = 3
"""Slices that the limits name."""
_MANY = 0.02
"""Share of the labels of the test split above which a slice is named in the limits."""


@dataclass(frozen=True)
class Table:
    """Table of a card. The first cell of a row is its name."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Part:
    """Section of a card.

    Attributes:
        title: Heading.
        facts: Names and texts.
        notes: Sentences.
        tables: Tables, by caption.
        code: Text to show as it is.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    tables: Sequence[tuple[str, Table]] = ()
    code: str = ""


@dataclass(frozen=True)
class Card:
    """Model card.

    Attributes:
        title: Name of the model.
        lead: One-line description.
        parts: Sections.
        header: Machine-readable facts: `license`, `tags`, `metrics`, and others.
    """

    title: str
    lead: str
    parts: Sequence[Part]
    header: Mapping[str, Any] = field(default_factory=dict)


def make_card(artifacts: Mapping[str, Sequence[Artifact]], about: Mapping[str, Any]) -> Card:
    """Return the card of a model.

    Args:
        artifacts: `examples`, `transform_graph`, `baselines`, `model_run`, `choices` and `evaluation`, and
            `tuner_results` after a search.
        about: `name` and `description` of the pipeline, `card`, a `CardSpec`, and `configuration`, the keys of the
            configuration.
    """
    from components.baselines.node import BaselinesNode
    from components.defaults.node import DefaultsNode
    from components.evaluation.node import EvaluatorNode
    from components.ingest.node import ExampleGenNode
    from components.node import merged
    from components.preprocessing.node import TransformNode
    from components.training.node import TrainerNode
    from components.tuning.node import TunerNode

    keys: dict[Node, str] = {
        ExampleGenNode(): "examples", TransformNode(): "transform_graph", BaselinesNode(): "baselines",
        TrainerNode(): "model_run", EvaluatorNode(): "evaluation", DefaultsNode(): "choices",
        TunerNode(): "tuner_results",
    }  # fmt: skip
    run = {node.name: {key: artifacts[key]} for node, key in keys.items() if key in artifacts}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    found: Any = {"name": about["name"], "finished": now, "seconds": 0, "versions": installed_versions()}
    for node in keys:
        if node.name in run:
            found = merged(found, node.summary(run))
    return card_of(Summary.model_validate(found), about, measured(artifacts["evaluation"][0].uri))


def card_of(summary: Summary, about: Mapping[str, Any], found: Measured) -> Card:
    """Return the card of a model.

    Args:
        summary: Summary of the run up to the evaluation.
        about: See `make_card`.
        found: Intervals of the metrics.
    """
    stated, configuration = about["card"], _with_choices(about["configuration"], summary)
    parts = [
        _purpose(stated),
        _model(summary, configuration),
        _data(summary, stated, configuration),
        _metrics(summary, found),
        *_slices(summary, found),
        _limits(summary),
        _reproduction(summary, configuration),
    ]
    header = {
        "license": stated.get("license") or "unknown",
        "library_name": "bigvocab",
        "tags": ["bigvocab", "keras", "tfx"],
        "date": summary.finished,
        "metrics": {c.name: _value(summary.metrics, c) for c in columns(summary, "column")},
    }
    return Card(about["name"], about.get("description") or "", parts, header)


def _chosen(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the origin of the values that the run chose itself, and their keys as YAML."""
    if summary.defaults is not None and summary.defaults.pinned:
        yield f"the defaults for these data ({summary.defaults.reason})", summary.defaults.pinned
    if summary.tuning is not None:
        yield f"the best of {len(summary.tuning.trials)} trials", summary.tuning.pinned


def _with_choices(configuration: Mapping[str, Any], summary: Summary) -> dict[str, Any]:
    """Return the configuration with the values that the run chose itself."""
    found = dict(configuration)
    for _, pinned in _chosen(summary):
        found = choices.merged(found, yaml.safe_load(pinned))
    return found


def _purpose(stated: Mapping[str, str | None]) -> Part:
    names = {"Intended use": "intended_use", "License of the model": "license", "Contact": "contact"}
    facts = [(name, stated.get(key) or f"{NOT_STATED} (card.{key})") for name, key in names.items()]
    return Part("Intended use", facts)


def _model(summary: Summary, configuration: Mapping[str, Any]) -> Part:
    trainer = configuration.get("trainer", {})
    kind, training = trainer.get("model", {}).get("kind", "the default for the data"), summary.training
    facts = [("Encoder", str(kind))]
    if "labels" in summary.vocabularies:
        facts.append(("Classes", f"{summary.vocabularies['labels'].size:,}"))
    if "inputs" in summary.vocabularies:
        facts.append(("Input tokens", f"{summary.vocabularies['inputs'].size:,}"))
    if training is not None:
        facts += [("Weights", f"{training.parameters:,}")] if training.parameters else []
        if training.history:
            best = training.history[training.best or 0]
            facts.append(("Training", f"{best.epoch:.1f} epochs, on {training.devices}"))
        if training.label_calibration and training.label_calibration.temperature:
            facts.append(("Temperature", figure(training.label_calibration.temperature, ".2f")))
    facts.append(("Date", summary.finished))
    return Part("Model", facts)


def _data(summary: Summary, stated: Mapping[str, str | None], configuration: Mapping[str, Any]) -> Part:
    source = configuration.get("data", {}).get("source", {})
    facts = [
        ("Source", redacted(", ".join(f"{key} {value}" for key, value in source.items()))),
        ("License", stated.get("data_license") or f"{NOT_STATED} (card.data_license)"),
        ("Splits", summary.split_rule or "by a hash of each row"),
    ]
    if summary.unused is not None:
        facts.append(
            ("Left out", f"{sum(summary.unused.bad.values()):,} bad rows, {summary.unused.short:,} short rows")
        )
    splits = Table(
        ("split", "rows", "labels"),
        [(name, f"{of.rows:,}", figure(of.examples, "count")) for name, of in summary.examples.items()],
    )
    outside = [(name, f"{of.size:,}", share(of.out_of_vocabulary_rate)) for name, of in summary.vocabularies.items()]
    vocabularies = Table(("vocabulary", "size", "outside it in the test split"), outside)
    return Part("Data", facts, tables=[("Rows and labels by split", splits), ("Vocabularies", vocabularies)])


def _metrics(summary: Summary, found: Measured) -> Part:
    best = best_baseline(summary.baselines)
    head = ["metric", "model", "95% interval", *([f"{best} (best baseline)"] if best else [])]
    rows = []
    for column in columns(summary, "column"):
        theirs = [_text(summary.baselines[best], column)] if best else []
        rows.append((column.text, _text(summary.metrics, column), _interval(found.whole, column), *theirs))
    over = margins(summary)
    notes = [
        "The metrics are over all classes of the test split, which neither the training nor the calibration has seen. "
        "The intervals are over the rows of the test split."
    ]
    notes += [f"{column.text}: {margin_in_words(column, margin)}" for column, margin in over]
    caption = f"Test split, {summary.metrics.count:,} {counted(summary.metrics)}" if summary.metrics else "Test split"
    return Part(
        "Metrics", notes=[*notes, *([f"{about_margins(over)}."] if over else [])], tables=[(caption, Table(head, rows))]
    )


def _slices(summary: Summary, found: Measured) -> Iterator[Part]:
    brief, noun = columns(summary, "brief"), counted(summary.metrics)
    tables = []
    if summary.bands:
        rows = [(name, f"{of.count:,}", *(_text(of, column) for column in brief)) for name, of in summary.bands.items()]
        tables.append(("By frequency of the label", Table(("band", noun, *(c.text for c in brief)), rows)))
    head = [text for column in brief for text in (column.text, "95% interval")]
    for name, entries in groupby(summary.slices, key=lambda entry: entry.slice):
        listed = [*entries]
        kept = {id(entry) for entry in sorted(listed, key=lambda entry: -entry.metrics.count)[:_MOST_VALUES]}
        rows = []
        for entry in (entry for entry in listed if id(entry) in kept):
            of = found.slices.get((entry.slice, str(entry.value)), {})
            cells = [text for c in brief for text in (_text(entry.metrics, c), _interval(of, c))]
            rows.append((str(entry.value), f"{entry.metrics.count:,}", *cells))
        more = f", the {len(rows)} most frequent of {len(listed)} values" if len(listed) > len(rows) else ""
        tables.append((f"By {name}{more}", Table((name, noun, *head), rows)))
    if tables:
        yield Part("Metrics by slice", tables=tables)


def _limits(summary: Summary) -> Part:
    notes = []
    for name, of in summary.vocabularies.items():
        if of.out_of_vocabulary_rate:
            text = {
                "inputs": "of the input tokens of the test split are outside the vocabulary, and cannot be read",
                "labels": "of the labels of the test split are outside the vocabulary, and are never predicted",
            }[name]
            notes.append(f"{share(of.out_of_vocabulary_rate)} {text}.")
    first = columns(summary, "brief")[0]
    if summary.metrics is not None:
        many = [
            entry
            for entry in summary.slices
            if entry.metrics.count >= _MANY * summary.metrics.count and _value(entry.metrics, first) is not None
        ]
        sign = 1 if first.better == "higher" else -1
        worst = sorted(many, key=lambda entry: sign * _value(entry.metrics, first))[:_WORST]
        notes += [
            f"{first.text} is {_text(entry.metrics, first)} for {entry.slice} {entry.value}, against "
            f"{_text(summary.metrics, first)} overall."
            for entry in worst
        ]
    if "tail" in summary.bands:
        notes.append(f"{first.text} is {_text(summary.bands['tail'], first)} for labels of the tail, which are rare.")
    ece = getattr(summary.metrics, "ece", None)
    if ece is not None:
        notes.append(f"The probability of the first answer is off by {share(ece)} on average (ECE).")
    notes += [
        f"{column.text} is equal to that of the baseline '{margin.baseline}' within the interval."
        for column, margin in margins(summary)
        if margin.equal
    ]
    notes.append(
        "The metrics hold for data like the test split. Data of another time or place may differ; "
        "bigvocab evaluate measures the model on other rows."
    )
    return Part("Limits", notes=notes)


def _reproduction(summary: Summary, configuration: Mapping[str, Any]) -> Part:
    name = configuration["name"]
    text = redacted(yaml.safe_dump(dict(configuration), sort_keys=False, allow_unicode=True))
    seed = configuration.get("trainer", {}).get("seed", 1)
    facts = [
        ("Command", f"bigvocab run {name}.yaml, with the configuration below"),
        ("Seed", str(seed)),
        ("Versions", ", ".join(f"{package} {version}" for package, version in summary.versions.items())),
    ]
    notes = ["Paths are those of the machine that trained the model. Keys that are not listed have their defaults."]
    notes += [
        f"Values of {', '.join('.'.join(path) for path, _ in choices.leaves(yaml.safe_load(pinned)))} are {origin}."
        for origin, pinned in _chosen(summary)
    ]
    return Part("How to reproduce", facts, notes, code=text)


def _value(metrics: Any, column: Column) -> Any:
    return getattr(metrics, column.name, None)


def _text(metrics: Any, column: Column) -> str:
    return figure(_value(metrics, column), column.form)


def _interval(found: Intervals, column: Column) -> str:
    if column.name not in found:
        return "–"
    low, high = found[column.name]
    return f"{figure(low, column.form)} to {figure(high, column.form)}"
