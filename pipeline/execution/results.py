"""What came out of the nodes: a line for each, and the report on the whole run."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.spec import Config
from pipeline.paths import Paths

if TYPE_CHECKING:
    from tfx.types import Artifact

    from components.metrics.definitions import Column, Kind, Place
    from components.report.summary import Summary
    from pipeline.execution.node import NodeFailed, Outcome

Outputs = Mapping[str, Sequence["Artifact"]]
Metrics = Mapping[str, float | None]


def described(outcome: Outcome) -> Outcome:
    """With a line on what the node made; without one where there is nothing to say."""
    say = _SAY.get(outcome.node)
    return dataclasses.replace(outcome, detail=say(outcome.outputs)) if say else outcome


def counts_of(outputs: Outputs) -> dict[str, Any]:
    """ExampleGen's own count of rows: by split, bad by kind, short."""
    return _json(f"{outputs['examples'][0].uri}/counts.json")


def training_of(outputs: Outputs) -> dict[str, Any]:
    """The Trainer's history."""
    return _json(f"{outputs['model_run'][0].uri}/training.json")


def baselines_of(outputs: Outputs) -> dict[str, Any]:
    return _json(f"{outputs['baselines'][0].uri}/baselines.json")


def evaluation_of(outputs: Outputs) -> dict[str, Any]:
    from components.evaluation.results import read_results

    return read_results(outputs["evaluation"][0].uri)


def vocabularies_of(outputs: Outputs) -> dict[str, Any]:
    """The vocabularies `inputs` and, unless the label is a number, `labels`."""
    import tensorflow_transform as tft

    from components.preprocessing.vocabulary import vocabularies

    return vocabularies(tft.TFTransformOutput(outputs["transform_graph"][0].uri))


def remarks_of(outputs: Outputs) -> list[str]:
    """Name the number columns that are constant or extreme, a sentence each."""
    import tensorflow_transform as tft

    from components.preprocessing.numbers import read_numbers, told

    return told(read_numbers(tft.TFTransformOutput(outputs["transform_graph"][0].uri)))


def pushed_to(outputs: Outputs) -> str | None:
    """Where the Pusher left the model, if it did."""
    artifact = outputs["pushed_model"][0]
    if not artifact.get_int_custom_property("pushed"):
        return None
    return artifact.get_string_custom_property("pushed_destination")


def _examples(outputs: Outputs) -> str:
    counts = counts_of(outputs)
    parts = [_rows(counts["rows"])]
    if name := span_name(outputs["examples"][0]):
        parts[0] = f"span {name}, {parts[0]}"
    bad = sum(counts["bad"].values())
    if bad:
        parts.append(f"{bad:,} bad rows left out (dead_letters.jsonl)")
    if doubtful := counts.get("doubtful"):
        parts.append(f"{doubtful:,} rows span lines that look like rows: is a quote unclosed? (dead_letters.jsonl)")
    if counts["short"]:
        parts.append(f"{counts['short']:,} too short")
    return "; ".join(parts)


def _rows(rows: Mapping[str, int]) -> str:
    return f"{sum(rows.values()):,} rows: {', '.join(f'{split} {n:,}' for split, n in rows.items())}"


def span_name(examples: Artifact) -> str:
    """What people call the span that examples are of; empty where the data has no spans."""
    from components.ingest.driver import SPAN_NAME

    return examples.get_string_custom_property(SPAN_NAME) or ""


def _window(outputs: Outputs) -> str:
    names = [span_name(examples) for examples in outputs["examples"]]
    span = f"{names[0]} to {names[-1]}, {len(names)} spans" if len(names) > 1 else f"{names[0]} alone"
    return f"{span}, {_rows(_summed(outputs['examples'], 'rows'))}"


def _analyzer_cache(outputs: Outputs) -> str:
    if not outputs.get("cache"):
        return "no span was counted before"
    from tfx.dsl.io import fileio

    counted = " ".join(map(str, fileio.listdir(outputs["cache"][0].uri)))
    known = sum(f"-{Path(e.uri).name}-Split-train" in counted for e in outputs["examples"])
    return f"{known} of {len(outputs['examples'])} spans were counted before"


def _statistics(outputs: Outputs) -> str:
    artifact = outputs["statistics"][0]
    rates = json.loads(str(artifact.get_json_value_custom_property("sample_rate_by_split")))
    samples = [f"{split} by a sample, {rate:.1%} of its rows" for split, rate in rates.items() if rate < 1]
    return "; ".join([f"statistics of {', '.join(_splits(artifact))}", *samples])


def _schema(outputs: Outputs) -> str:
    return "the curated schema"


def _anomalies(outputs: Outputs) -> str:
    return f"no anomalies in {', '.join(_splits(outputs['anomalies'][0]))}"


def _transform(outputs: Outputs) -> str:
    sizes = {name: len(vocabulary) for name, vocabulary in vocabularies_of(outputs).items()}
    line = f"vocabularies: {', '.join(f'{size:,} {name}' for name, size in sizes.items())}"
    return "; ".join([line, *remarks_of(outputs)])


def _baselines(outputs: Outputs) -> str:
    metrics = baselines_of(outputs)["metrics"]
    if "mean" in metrics:
        return f"mean of the train split: {_headline(metrics['mean'])}"
    first = _columns(next(iter(metrics.values())), "brief")[0].name
    best = max(metrics, key=lambda name: metrics[name][first] or 0)
    return f"best of {', '.join(metrics)}: {best}, {_headline(metrics[best])}"


def _trainer(outputs: Outputs) -> str:
    training = training_of(outputs)
    best, last = training["best"], training["validations"][-1]
    trained = f"{last['epoch']:.1f} epochs, {best['examples_per_second']:,.0f} examples/s on {training['devices']}"
    return f"{trained}; validation {_figures(best, _columns(best, 'trainer'))}"


def _resolver(outputs: Outputs) -> str:
    found = outputs.get("model")
    return f"last blessed model: {Path(found[0].uri).name}" if found else "no model was blessed before"


def _base_model(outputs: Outputs) -> str:
    found = outputs.get("model")
    return f"starts from model {Path(found[0].uri).name}" if found else "no blessed model of other data: starts cold"


def _evaluator(outputs: Outputs) -> str:
    result = evaluation_of(outputs)
    own = result["own_metrics"]
    headline = ", ".join([_headline(result["metrics"], own), *(_target(*item) for item in result["targets"].items())])
    return f"blessed: {headline}" if result["blessed"] else f"NOT blessed: {'; '.join(result['failures'])}"


def _infra(outputs: Outputs) -> str:
    cause = infra_cause(outputs)
    return f"NOT servable: {cause}" if cause else "servable: a child process loaded it and answered real requests"


def infra_cause(outputs: Outputs) -> str | None:
    """Why the model was refused, if it was."""
    from components.infra_validation.executor import read_cause

    blessing = outputs["blessing"][0]
    if blessing.get_int_custom_property("blessed"):
        return None
    return read_cause(blessing.uri) or "the cause is in the log"


def _pusher(outputs: Outputs) -> str:
    if place := pushed_to(outputs):
        return f"pushed to {place}"
    return f"not pushed: {outputs['pushed_model'][0].get_string_custom_property('reason') or 'not blessed'}"


def _headline(metrics: Metrics, own: Sequence[Column] = ()) -> str:
    return _figures(metrics, _columns(metrics, "brief", own=own))


def _target(name: str, metrics: Metrics) -> str:
    """Return a further target in few words: `party accuracy 0.712`."""
    return f"{name} {_figures(metrics, _columns(metrics, 'brief', 'class')[:1])}"


def _columns(metrics: Metrics, place: Place, classes: Kind = "label", own: Sequence[Column] = ()) -> Sequence[Column]:
    from components.metrics.table import kind_of, shown

    return shown(kind_of(metrics, classes), place, own)


def _figures(metrics: Metrics, columns: Sequence[Column]) -> str:
    from components.metrics.figures import on_terminal

    return ", ".join(f"{column.label} {on_terminal(metrics[column.name], column.form)}" for column in columns)


def _splits(artifact: Artifact) -> list[str]:
    return json.loads(artifact.split_names)


def _json(path: str) -> dict[str, Any]:
    from tfx.dsl.io import fileio

    with fileio.open(path, "rb") as file:
        return json.loads(file.read())


_SAY: dict[str, Callable[[Outputs], str]] = {
    "ExampleGen": _examples,
    "StatisticsGen": _statistics,
    "Window": _window,
    "AnalyzerCache": _analyzer_cache,
    "ImportSchemaGen": _schema,
    "ExampleValidator": _anomalies,
    "Transform": _transform,
    "Baselines": _baselines,
    "BaseModel": _base_model,
    "Trainer": _trainer,
    "Resolver": _resolver,
    "Evaluator": _evaluator,
    "InfraValidator": _infra,
    "Pusher": _pusher,
}


def write_report(
    config: Config, paths: Paths, outcomes: Sequence[Outcome], failure: NodeFailed | None, seconds: float
) -> Summary:
    """Writes `summary.json` and `report.html` from what the nodes left, also of a run that failed."""
    from components.metrics.own import own_metrics
    from components.report import html
    from components.report.summary import Summary
    from components.report.versions import installed_versions

    outputs = {outcome.node: outcome.outputs for outcome in outcomes}
    nodes = [
        {
            "name": o.node,
            "seconds": round(o.seconds, 3),
            "cached": o.cached,
            "state": "cached" if o.cached else "complete",
            "detail": o.detail,
        }
        for o in outcomes
    ]
    if failure:
        nodes.append({"name": failure.node, "seconds": failure.seconds, "cached": False, "state": "failed"})
    parts: dict[str, Any] = {}
    for node, part in _PARTS.items():
        if node in outputs:
            parts |= part(outputs)
    summary = Summary.model_validate(
        {
            **parts,
            "name": config.name,
            "finished": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "seconds": round(seconds, 1),
            "band_limits": config.evaluation.bands.model_dump(),
            "own_metrics": [metric.column for metric in own_metrics(config.evaluation.metrics)],
            "nodes": nodes,
            "versions": installed_versions(),
            "failure": {"node": failure.node, "message": str(failure)} if failure else None,
        }
    )
    summary.write(f"{paths.report}/summary.json")
    html.write(summary, f"{paths.report}/report.html")
    return summary


def _summed(examples: Sequence[Artifact], what: str) -> dict[str, int]:
    """Of several Examples: their rows, or examples, by split."""
    counts = [counts_of({"examples": [artifact]})[what] for artifact in examples]
    return {split: sum(count[split] for count in counts) for split in counts[0]}


def _examples_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    artifacts = outputs.get("Window", outputs["ExampleGen"])["examples"]
    rows, examples = _summed(artifacts, "rows"), _summed(artifacts, "examples")
    return {"examples": {split: {"rows": n, "examples": examples[split]} for split, n in rows.items()}}


def _spans_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    from components.data_validation.drift import drift
    from components.ingest.window import span_of

    window = outputs["Window"]
    examples, statistics = window["examples"], [artifact.uri for artifact in window["statistics"]]
    known = len(examples) == len(statistics)
    outside = baselines_of(outputs["Baselines"]).get("spans", {}) if "Baselines" in outputs else {}
    drifts = [drift(statistics[-1], uri) for uri in statistics[:-1]] if known else []
    return {
        "spans": [
            {
                "span": span_of(artifact),
                "name": span_name(artifact),
                "rows": _summed([artifact], "rows"),
                "out_of_vocabulary_rate": outside.get(str(span_of(artifact)), {}),
                "drift": {column: dataclasses.asdict(found) for column, found in by_column.items()},
            }
            for artifact, by_column in zip(examples, [*drifts, *([{}] * (len(examples) - len(drifts)))], strict=True)
        ]
    }


def _vocabularies_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    measured = baselines_of(outputs["Baselines"])["out_of_vocabulary_rate"] if "Baselines" in outputs else {}
    return {
        "vocabularies": {
            name: {
                "size": len(vocabulary),
                "out_of_vocabulary_rate": measured.get(name),
                "top": [
                    {"token": token, "count": int(count)}
                    for token, count in zip(vocabulary.tokens[:_TOP], vocabulary.counts[:_TOP], strict=True)
                ],
            }
            for name, vocabulary in vocabularies_of(outputs["Transform"]).items()
        }
    }


def _training_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    from components.report.summary import training_part

    return {"training": training_part(training_of(outputs["Trainer"]))}


def _evaluation_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    from components.report.summary import evaluation_parts

    return evaluation_parts(evaluation_of(outputs["Evaluator"]))


def _infra_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    cause = infra_cause(outputs["InfraValidator"])
    return {"servable": cause is None, "servable_cause": cause}


def _pushed_part(outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    place = pushed_to(outputs["Pusher"])
    return {"pushed": place is not None, "pushed_to": place}


_TOP = 20
"""Entries of each vocabulary that the report shows."""
_PARTS: dict[str, Callable[[Mapping[str, Outputs]], dict[str, Any]]] = {
    "ExampleGen": _examples_part,
    "Window": _spans_part,
    "Transform": _vocabularies_part,
    "Trainer": _training_part,
    "Evaluator": _evaluation_part,
    "InfraValidator": _infra_part,
    "Pusher": _pushed_part,
}
