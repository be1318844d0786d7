"""`summary.json`: what a run did and what came out of it, for machines. Keys are added, never renamed or removed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from components.files import write_whole
from components.metrics.definitions import Column, Kind, Place
from components.metrics.table import BY_NAME, shown
from components.report.measures import LabelMetrics, Metrics, Part, TargetBaselines, Targets

FORMAT = 1
_TRAINING_FACTS = ("validation_examples", "parameters", "devices", "stopped_early", "resumed", "warm_start")


class Split(Part):
    rows: int = Field(ge=0)
    examples: int | None = Field(None, ge=0)
    """Labels to predict: every token after the first of a sequence, or one a row. None: not counted."""


class Token(Part):
    token: str
    count: int = Field(ge=0)
    """Occurrences in the train split."""


class Vocabulary(Part):
    size: int = Field(ge=0)
    out_of_vocabulary_rate: float | None = Field(None, ge=0, le=1)
    """Share of the test split's tokens (`inputs`) or labels (`labels`) that have no id of their own."""
    top: list[Token] = []
    """The most frequent entries."""


class Drift(Part):
    value: float = Field(ge=0)
    """0: the same."""
    measure: Literal["l_infinity", "jensen_shannon"]
    """Of tokens and categories the greatest difference of a value's share; of numbers the Jensen-Shannon divergence."""


class Span(Part):
    """Rows that were ingested together, such as a day's."""

    span: int
    name: str
    """What people call it, as `1940s`."""
    rows: dict[Literal["train", "eval", "test"], int]
    out_of_vocabulary_rate: dict[Literal["inputs", "labels"], float | None] = {}
    """Share of its test split's tokens and labels that have no id of their own."""
    drift: dict[str, Drift] = {}
    """How far the newest span lies from it, train splits, by column. Empty: of the newest itself."""


class Slice(Part):
    left_out = ("targets", "target_baselines")

    slice: str
    """The column, such as `decade`."""
    value: str | float
    """Its value, such as `1940s`."""
    metrics: LabelMetrics
    baselines: dict[str, LabelMetrics] = {}
    targets: Targets = {}
    target_baselines: TargetBaselines = {}


class Node(Part):
    name: str
    seconds: float = Field(ge=0)
    """Wall time in this run."""
    cached: bool
    state: Literal["complete", "cached", "failed", "not run"]
    detail: str = ""
    """What came out of it, in a line."""


class Validation(Part):
    """One validation during training, over the eval split or the part of it that training looks at.

    It also has the label's metrics of the table that have a place in the history of a training, and a user's own. Those
    of a class are always there, None where the label is a number.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]
    left_out = ("targets",)

    epoch: float
    """Passes over the train split so far."""
    step: int
    train_loss: float | None
    """Nats; the sampled loss, not comparable with nll. With further targets or a number: the sum of what is learnt."""
    targets: dict[str, float | None] = {}
    """Of the further targets, as `party_accuracy` and `year_rmse`."""
    seconds: float
    """Wall time of training since the validation before, without validating."""
    validation_seconds: float | None = None
    examples_per_second: float | None = None
    learning_rate: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_metrics(cls, values: Any) -> Any:
        return dict.fromkeys(history("label")) | dict(values) if isinstance(values, Mapping) else values

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        classes = history("label")
        measured = {name: v for name, v in (self.model_extra or {}).items() if v is not None or name in classes}
        rest = {name: value for name, value in handler(self).items() if name not in (self.model_extra or {})}
        first = {name: rest.pop(name) for name in ("epoch", "step", "train_loss")}
        return {**first, **measured, **{name: v for name, v in rest.items() if v or name not in self.left_out}}


class Tokens(Part):
    """A vocabulary beside that of the model which the training started from."""

    stayed: int = Field(ge=0)
    came: int = Field(ge=0)
    went: int = Field(ge=0)


class WarmStart(Part):
    """What a training took from an earlier model."""

    model: str
    """The earlier model's number."""
    taken: int = Field(ge=0)
    """Weights, whole or by token."""
    fresh: list[str] = []
    """A sentence for each weight that was not taken."""
    optimizer: bool
    """Its moments and its count of steps were taken too."""
    vocabularies: dict[str, Tokens] = {}


class Training(Part):
    history: list[Validation] = []
    best: int | None = None
    """Index in `history` of the validation whose weights were kept."""
    validation_examples: int | None = None
    """A validation looks at so many labels of the eval split, or at all of them when there are fewer."""
    parameters: int | None = None
    devices: str | None = None
    stopped_early: bool | None = None
    resumed: bool | None = None
    warm_start: WarmStart | None = None


class Failure(Part):
    node: str
    message: str


class Summary(Part):
    """A whole run. Nodes may add keys of their own, see `components.node.Node.summary`."""

    model_config = ConfigDict(extra="allow")
    left_out = ("targets", "target_baselines", "previous_targets", "spans", "own_metrics")

    format: int = FORMAT
    name: str
    """The preset, or the name of the configuration file."""
    finished: str
    """ISO 8601, with the offset from UTC."""
    seconds: float = Field(ge=0)
    """Wall time of the run."""
    examples: dict[Literal["train", "eval", "test"], Split] = {}
    spans: list[Span] = []
    """What was trained on, the oldest first, where the data comes in spans."""
    vocabularies: dict[Literal["inputs", "labels"], Vocabulary] = {}
    metrics: LabelMetrics | None = None
    """Of the label. Where it is a number, with `rmse`, `mae` and `r2`."""
    bands: dict[str, Metrics] = {}
    """By frequency of the label: `head`, `torso`, `tail`."""
    band_limits: dict[Literal["head", "torso"], int] = {}
    """Labels ranked before this, from 0, are in the band or in one before it; the rest is the tail."""
    baselines: dict[str, LabelMetrics] = {}
    """Counting models on the same labels; of a number, its mean over the train split."""
    baseline_bands: dict[str, dict[str, Metrics]] = {}
    previous: LabelMetrics | None = None
    """The last blessed model on the same labels."""
    targets: Targets = {}
    """The further targets, by column."""
    target_baselines: TargetBaselines = {}
    """By column: a category against its frequencies in the train split, a number against its mean."""
    previous_targets: Targets = {}
    """The last blessed model's."""
    slices: list[Slice] = []
    own_metrics: list[Column] = []
    """A user's own metrics, as people see them: a reader needs no module of the user's."""
    blessed: bool | None = None
    """By the Evaluator. None: it did not run."""
    failures: list[str] = []
    """A sentence for every threshold that was missed."""
    servable: bool | None = None
    """By the InfraValidator. None: it did not run."""
    servable_cause: str | None = None
    """Why it is not servable."""
    pushed: bool = False
    pushed_to: str | None = None
    nodes: list[Node] = []
    versions: dict[str, str] = {}
    training: Training | None = None
    failure: Failure | None = None
    """The node that failed, when the run did not get to its end."""

    def write(self, path: str | Path) -> None:
        """Writes the file whole: a reader never sees a part of it."""
        write_whole(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Reads a `summary.json`.

        Raises:
            ValueError: the file is no summary of this format. Names the file.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def evaluation_parts(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a summary that `components.evaluation.results.read_results` knows.

    Returns:
        Keyword arguments of `Summary`: metrics, bands, baselines, baseline_bands, previous, targets, target_baselines,
        previous_targets, slices, blessed, failures.
    """
    names = evaluation["metrics"]
    return {
        "metrics": _finite(evaluation["metrics"]),
        "bands": {band: _finite(values) for band, values in evaluation["bands"].items()},
        "baselines": {name: _finite(values) for name, values in evaluation["baselines"].items()},
        "baseline_bands": {
            name: {band: _finite(values) for band, values in bands.items()}
            for name, bands in evaluation.get("baseline_bands", {}).items()
        },
        "previous": _finite(evaluation["previous"]) if evaluation.get("previous") else None,
        **_targets(evaluation),
        "previous_targets": {name: _finite(values) for name, values in evaluation.get("previous_targets", {}).items()},
        "slices": [
            {
                "slice": entry["slice"],
                "value": entry["value"],
                "metrics": _finite({name: entry[name] for name in names}),
                "baselines": {name: _finite(values) for name, values in entry["baselines"].items()},
                **_targets(entry),
            }
            for entry in evaluation["slices"]
        ],
        "blessed": evaluation["blessed"],
        "failures": list(evaluation["failures"]),
    }


def training_part(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a summary that the Trainer's `training.json` knows.

    Returns:
        The fields of `Training`.
    """
    validations: Sequence[Mapping[str, Any]] = training["validations"]
    best = training.get("best")
    measured = training.get("measured", [*_placed("label", "validation"), *_placed("number", "validation")])
    told = {*history("label"), *history("number")}
    kept = [name for name in measured if name in told or name not in BY_NAME]
    facts = [name for name in Validation.model_fields if name != "targets"]
    return {
        "history": [
            {
                **_finite({name: entry.get(name) for name in facts}),
                **_finite({name: entry[name] for name in kept if name in entry}),
                "targets": _finite({n: value for n, value in entry.items() if n not in facts and n not in measured}),
            }
            for entry in validations
        ],
        "best": next((i for i, entry in enumerate(validations) if best and entry["step"] == best["step"]), None),
        **{name: training.get(name) for name in _TRAINING_FACTS},
    }


def history(kind: Kind) -> list[str]:
    """Return the names of the label's metrics that the history of a training holds."""
    return _placed(kind, "history")


def _placed(kind: Kind, place: Place) -> list[str]:
    return [column.name for column in shown(kind, place)]


def _targets(measured: Mapping[str, Any]) -> dict[str, Any]:
    baselines = measured.get("target_baselines", {})
    return {
        "targets": {name: _finite(values) for name, values in measured.get("targets", {}).items()},
        "target_baselines": {
            name: {baseline: _finite(values) for baseline, values in of.items()} for name, of in baselines.items()
        },
    }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity: they stand as null."""
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
