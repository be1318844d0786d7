"""What came out of the nodes: a line for each, and the report on the whole run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfx.types import Artifact

    from pipeline.node import Outcome

Outputs = Mapping[str, Sequence["Artifact"]]


def describe(outcome: Outcome) -> str:
    """A line on what a node made; empty where there is nothing to say."""
    say = _SAY.get(outcome.node)
    return say(outcome.outputs) if say else ""


def counts_of(outputs: Outputs) -> dict[str, Any]:
    """ExampleGen's own count of rows: by split, bad by kind, short."""
    return _json(Path(outputs["examples"][0].uri) / "counts.json")


def training_of(outputs: Outputs) -> dict[str, Any]:
    """The Trainer's history."""
    return _json(Path(outputs["model_run"][0].uri) / "training.json")


def baselines_of(outputs: Outputs) -> dict[str, Any]:
    return _json(Path(outputs["baselines"][0].uri) / "baselines.json")


def evaluation_of(outputs: Outputs) -> dict[str, Any]:
    from components.evaluation.results import read_results

    return read_results(outputs["evaluation"][0].uri)


def vocabularies_of(outputs: Outputs) -> dict[str, Any]:
    """The vocabularies `inputs` and `labels`."""
    import tensorflow_transform as tft

    from components.preprocessing.vocabulary import vocabularies

    return vocabularies(tft.TFTransformOutput(outputs["transform_graph"][0].uri))


def pushed_to(outputs: Outputs) -> str | None:
    """Where the Pusher left the model, if it did."""
    artifact = outputs["pushed_model"][0]
    if not artifact.get_int_custom_property("pushed"):
        return None
    return artifact.get_string_custom_property("pushed_destination")


def _examples(outputs: Outputs) -> str:
    counts = counts_of(outputs)
    rows = counts["rows"]
    parts = [f"{sum(rows.values()):,} rows: {', '.join(f'{split} {n:,}' for split, n in rows.items())}"]
    bad = sum(counts["bad"].values())
    if bad:
        parts.append(f"{bad:,} bad rows left out (dead_letters.jsonl)")
    if counts["short"]:
        parts.append(f"{counts['short']:,} too short")
    return "; ".join(parts)


def _statistics(outputs: Outputs) -> str:
    return f"statistics of {', '.join(_splits(outputs['statistics'][0]))}"


def _schema(outputs: Outputs) -> str:
    return "the curated schema"


def _anomalies(outputs: Outputs) -> str:
    return f"no anomalies in {', '.join(_splits(outputs['anomalies'][0]))}"


def _transform(outputs: Outputs) -> str:
    sizes = {name: len(vocabulary) for name, vocabulary in vocabularies_of(outputs).items()}
    return f"vocabularies: {sizes['inputs']:,} inputs, {sizes['labels']:,} labels"


def _baselines(outputs: Outputs) -> str:
    metrics = baselines_of(outputs)["metrics"]
    return "; ".join(f"{name} {_headline(values)}" for name, values in metrics.items())


def _trainer(outputs: Outputs) -> str:
    training = training_of(outputs)
    best = min(training["history"], key=lambda entry: entry["validation_nll"])
    return f"epoch {best['epoch']:g}: validation perplexity {best['validation_perplexity']:.1f}"


def _resolver(outputs: Outputs) -> str:
    found = outputs.get("model")
    return f"last blessed model: {Path(found[0].uri).name}" if found else "no model was blessed before"


def _evaluator(outputs: Outputs) -> str:
    result = evaluation_of(outputs)
    headline = _headline(result["metrics"])
    return f"blessed: {headline}" if result["blessed"] else f"NOT blessed: {'; '.join(result['failures'])}"


def _infra(outputs: Outputs) -> str:
    blessing = outputs["blessing"][0]
    if blessing.get_string_custom_property("blessing_status") == "INFRA_BLESSED":
        return "served real requests"
    return f"NOT served: {infra_cause(outputs)}"


def infra_cause(outputs: Outputs) -> str:
    path = Path(outputs["blessing"][0].uri) / "cause.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else "see the log"


def _pusher(outputs: Outputs) -> str:
    return f"pushed to {place}" if (place := pushed_to(outputs)) else "not pushed"


def _headline(metrics: Mapping[str, float | None]) -> str:
    recall, perplexity = metrics["recall_at_10"], metrics["perplexity"]
    return f"recall@10 {_figure(recall, '.3f')}, perplexity {_figure(perplexity, '.1f')}"


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _splits(artifact: Artifact) -> list[str]:
    return json.loads(artifact.split_names)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


_SAY: dict[str, Callable[[Outputs], str]] = {
    "ExampleGen": _examples,
    "StatisticsGen": _statistics,
    "ImportSchemaGen": _schema,
    "ExampleValidator": _anomalies,
    "Transform": _transform,
    "Baselines": _baselines,
    "Trainer": _trainer,
    "Resolver": _resolver,
    "Evaluator": _evaluator,
    "InfraValidator": _infra,
    "Pusher": _pusher,
}
