"""`summary.json`: machine-readable results of a run. New versions add keys, and never rename or remove any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from components.files import write_whole
from components.metrics.definitions import Column, Kind, Place
from components.metrics.table import BY_NAME, shown
from components.report.measures import (
    Approximate,
    ClassMetrics,
    ClassTable,
    LabelCalibration,
    LabelMetrics,
    Margin,
    ReliabilityBin,
    SummarySection,
    TargetBaselines,
    Targets,
)
from components.report.tuning import Tuning

FORMAT = 1
_TRAINING_FACTS = (
    "validation_examples", "parameters", "devices", "stopped_early", "resumed", "warm_start", "mixture", "calibration",
    "label_calibration", "class_table", "approximate",
)  # fmt: skip


class Split(SummarySection):
    """Numbers of rows and labels of one split."""

    rows: int = Field(ge=0)
    examples: int | None = Field(None, ge=0)
    """Labels to predict: one for every token after the first of a sequence, or one per row. None: not counted."""


class Token(SummarySection):
    """Entry of a vocabulary, and its frequency."""

    token: str
    count: int = Field(ge=0)
    """Occurrences in the train split, or in the split of the list."""


class Outside(SummarySection):
    """Labels of a split that are outside the vocabulary: a model never predicts them."""

    labels: int = Field(ge=0)
    """Number of labels of the split."""
    outside: int = Field(ge=0)
    """Number of labels outside the vocabulary."""
    most_frequent: list[Token] = []
    """The most frequent labels outside the vocabulary."""


class Covered(SummarySection):
    """Part of the occurrences of all entries that the most frequent ones cover, in the train split."""

    entries: int = Field(ge=1)
    share: float


class Vocabulary(SummarySection):
    """Size of a vocabulary, its most frequent entries, and its gaps."""

    left_out = ("outside", "coverage")

    size: int = Field(ge=0)
    out_of_vocabulary_rate: float | None = Field(None, ge=0, le=1)
    """Share of out-of-vocabulary tokens (`inputs`) or labels (`labels`) in the test split."""
    top: list[Token] = []
    """The most frequent entries."""
    coverage: list[Covered] = []
    """Coverage by the most frequent entries, from one to all of them. Empty: an earlier version wrote the summary."""
    outside: dict[Literal["train", "eval", "test"], Outside] = {}
    """`labels` only: labels outside the vocabulary by split."""


class Drift(SummarySection):
    """Distance between the distributions of one column in two spans."""

    value: float = Field(ge=0)
    """0 for equal distributions."""
    measure: Literal["l_infinity", "jensen_shannon"]
    """For tokens and categories, the greatest difference in the share of a value. For numbers, the Jensen-Shannon
    divergence."""


class Span(SummarySection):
    """Rows that were ingested together, such as those of a day."""

    span: int
    name: str
    """Display name, such as `1940s`."""
    rows: dict[Literal["train", "eval", "test"], int]
    out_of_vocabulary_rate: dict[Literal["inputs", "labels"], float | None] = {}
    """Share of out-of-vocabulary tokens and labels in the span's test split."""
    drift: dict[str, Drift] = {}
    """Distance of this span's train split from the newest span's, by column. Empty for the newest span."""


class Slice(SummarySection):
    """Metrics of the test rows with one value of one column."""

    left_out = ("targets", "target_baselines")

    slice: str
    """The column, such as `decade`."""
    value: str | float
    """The value of the column, such as `1940s`."""
    metrics: LabelMetrics
    baselines: dict[str, LabelMetrics] = {}
    targets: Targets = {}
    target_baselines: TargetBaselines = {}


class Weighted(SummarySection):
    """Metrics in which each label counts by its weight. `count` and `known` are sums of weights."""

    left_out = ("targets", "target_baselines")

    column: str
    """Column of the weights."""
    metrics: LabelMetrics
    baselines: dict[str, LabelMetrics] = {}
    targets: Targets = {}
    target_baselines: TargetBaselines = {}


class Node(SummarySection):
    """Execution of one node: its time, state and result."""

    name: str
    seconds: float = Field(ge=0)
    """Wall time in this run."""
    cpu_seconds: float | None = Field(None, ge=0)
    """CPU time in this run, child processes included. None: not measured, as of nodes that run in pods."""
    peak_bytes: int | None = Field(None, ge=0)
    """Greatest resident memory of the process, without child processes. None: not measured, as of nodes in pods."""
    cached: bool
    state: Literal["complete", "cached", "failed", "not run"]
    detail: str = ""
    """The result of the node, in one line."""


class Validation(SummarySection):
    """One validation during training, over the eval split or the sample of it that training validates on.

    Extra fields hold the label's metrics that the table places in the history of a training, and a user's own metrics.
    The metrics of a class are always present, and None if the label is a number.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]
    left_out = ("targets",)

    epoch: float
    """Passes over the train split so far."""
    step: int
    train_loss: float | None
    """Nats. The sampled loss, not comparable with nll. With further targets or a number, the sum of all losses."""
    targets: dict[str, float | None] = {}
    """Metrics of the further targets, such as `party_accuracy` and `year_rmse`."""
    seconds: float
    """Wall time of training since the previous validation, without the validation itself."""
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


class Tokens(SummarySection):
    """Comparison of a vocabulary with that of the model which the training started from."""

    stayed: int = Field(ge=0)
    came: int = Field(ge=0)
    went: int = Field(ge=0)


class WarmStart(SummarySection):
    """State that a training took from an earlier model."""

    model: str
    """Number of the earlier model."""
    taken: int = Field(ge=0)
    """Number of weights taken, whole or by token."""
    fresh: list[str] = []
    """A sentence for each weight that was not taken."""
    optimizer: bool
    """True if the moments and the step count of the optimizer were taken too."""
    vocabularies: dict[str, Tokens] = {}


class NgramCounts(SummarySection):
    """Size of the n-gram counts in a model, and the share of the model beside them."""

    order: int
    """Tokens of the longest n-gram."""
    ngrams: dict[str, int]
    """Number of n-grams by length."""
    bytes: int
    """Size of the counts in the exported model."""
    mean_gate: float | None = None
    """Mean share of the model in the mixture, over a sample of the eval split."""
    cache: int = 0
    """Number of tokens before a label that the cache reads; 0 without a cache."""
    mean_cache: float | None = None
    """Mean share of the cache in the mixture, over the same sample."""
    pairs: int = 0
    """Number of kept pairs of a token and a label in the same row; 0 if they are not counted."""
    mean_pairs: float | None = None
    """Mean share of the pairs in the mixture, over the same sample."""


class Training(SummarySection):
    """Validations of a training, and facts about the trained model."""

    left_out = ("label_calibration", "class_table", "approximate")

    history: list[Validation] = []
    best: int | None = None
    """Index in `history` of the validation whose weights were kept."""
    validation_examples: int | None = None
    """Number of labels of the eval split in a validation, or all of them if the split has fewer."""
    parameters: int | None = None
    devices: str | None = None
    stopped_early: bool | None = None
    resumed: bool | None = None
    warm_start: WarmStart | None = None
    mixture: NgramCounts | None = None
    """N-gram counts that the model is mixed with."""
    calibration: dict[str, float] | None = None
    """Factor of the logits of each further target that is a category, fitted on the eval split, by column. 1 leaves the
    model as it is; 0 leaves the frequencies of the categories."""
    label_calibration: LabelCalibration | None = None
    """Temperature of the label, fitted on the eval split. None: the label is a number, or an earlier version trained
    the model."""
    class_table: ClassTable | None = None
    """int8 class vectors (`trainer.class_table`). None: float32."""
    approximate: Approximate | None = None
    """Approximate answers (`trainer.approximate`). None: not configured, or too few classes."""


class Failure(SummarySection):
    """Node that failed, and its error message."""

    node: str
    message: str


class Defaults(SummarySection):
    """Values of keys that the configuration does not set, chosen from the statistics of the data."""

    reason: str
    """The choice and its reason, in one line."""
    facts: dict[str, float] = {}
    """Statistics of the train split that the choice follows from."""
    pinned: str = ""
    """YAML that sets the chosen values. Empty if nothing was chosen."""


class UnusedFile(SummarySection):
    """File with rows that were not used."""

    file: str
    rows: int
    """Rows that were used."""
    bad: int
    short: int


class BadRow(SummarySection):
    """Row that cannot be used."""

    file: str
    line: int
    kind: str
    reason: str


class UnusedRows(SummarySection):
    """Rows of the source that were not used."""

    bad: dict[str, int]
    """Rows that cannot be used, by kind of fault, the most frequent first."""
    short: int
    """Rows with too few tokens for an example, or without a value that the configuration requires."""
    files: list[UnusedFile]
    """Files with the most of them."""
    examples: list[BadRow]
    """First bad rows of each kind."""
    odd: list[str]
    """Columns whose values look like the numbers or lists of another program, in words."""


class Setting(SummarySection):
    """Key of the configuration, and its value."""

    left_out = ("differs", "base")

    key: str
    """Key with its sections, such as `trainer.epochs`."""
    value: Any
    differs: bool = False
    """True if the value is not that of the preset. Without a preset, true if the configuration sets the key."""
    base: Any = None
    """The value of the preset, if it differs."""


class Configuration(SummarySection):
    """Whole configuration of a run, without secrets."""

    preset: str | None
    """The preset with the same name. None: the configuration has a name of its own."""
    settings: list[Setting]


class Artifact(SummarySection):
    """Artifact in the metadata store."""

    key: str
    """Key of the artifact among the inputs or outputs of a node."""
    id: int
    type: str
    uri: str
    """URI relative to the root of the run, if it is below the root."""


class Execution(SummarySection):
    """Execution in the metadata store."""

    node: str
    execution: int | None
    """Id of the execution."""
    cached: bool
    """True if the outputs are those of an earlier execution."""
    inputs: list[Artifact] = []
    outputs: list[Artifact] = []


class Probable(SummarySection):
    """Predicted label, and its probability."""

    label: str
    probability: float


class Prediction(SummarySection):
    """Predictions of the model for one row of the test split."""

    result: Literal["right", "near", "wrong"]
    """`right`: the label is the most probable class. `near`: it is among the first ten. `wrong`: it is not."""
    input: str
    """Input tokens, separated by spaces. It begins with an ellipsis if more tokens precede."""
    truth: list[str]
    """The label, or the labels of the row."""
    rank: int | None
    """Place of the label from 1. None: the label is not among the predicted ones."""
    answers: list[Probable]
    slices: dict[str, str] = {}
    """Value of each column of the slices."""


class LabelRecall(SummarySection):
    """Recall of one label in a sample of the test split."""

    label: str
    count: int
    recall_at_10: float
    baseline_recall_at_10: float | None = None
    """None: the baselines are not known for each label, as in sequences."""


class Predictions(SummarySection):
    """Predictions for a seeded sample of the test split."""

    rows: int
    """Labels in the sample."""
    results: dict[Literal["right", "near", "wrong"], int]
    """Number of predictions of the whole sample, by result."""
    examples: list[Prediction]
    shown_first: int
    """Number of the first examples, drawn from the whole sample. The others show the values of the slices."""
    least: int
    """Least number of occurrences in the sample of the labels in `hardest` and `most_improved`."""
    hardest: list[LabelRecall] = []
    """Labels with the lowest recall@10."""
    most_improved: list[LabelRecall] = []
    """Labels whose recall@10 is most above the baseline's."""
    baseline: str | None = None
    """The best baseline over the sample."""


class Neighbor(SummarySection):
    """Entry of a vocabulary near another one."""

    token: str
    cosine: float


class Neighborhood(SummarySection):
    """Entry of a vocabulary, and the entries with the nearest vectors."""

    token: str
    nearest: list[Neighbor]


class Summary(SummarySection):
    """Summary of a whole run. Nodes may add keys, see `components.node.Node.summary`."""

    model_config = ConfigDict(extra="allow")
    left_out = (
        "targets", "target_baselines", "previous_targets", "spans", "own_metrics", "margins", "split_rule",
        "unused", "constant_columns", "reliability", "weighted", "tuning", "command", "configuration",
        "lineage", "predictions", "neighbors",
    )  # fmt: skip

    format: int = FORMAT
    name: str
    """The preset, or the name of the configuration file."""
    finished: str
    """End of the run in ISO 8601, with the offset from UTC."""
    seconds: float = Field(ge=0)
    """Wall time of the run."""
    examples: dict[Literal["train", "eval", "test"], Split] = {}
    split_rule: str | None = None
    """Rule that assigned the rows to the splits, in words. None: a hash of each row."""
    unused: UnusedRows | None = None
    """Rows that were not used. None: all rows were used."""
    constant_columns: list[str] = []
    """Columns with the same value in all rows of the train split, or of the sample that the statistics read."""
    spans: list[Span] = []
    """The spans that the model was trained on, the oldest first. Empty if the data has no spans."""
    vocabularies: dict[Literal["inputs", "labels"], Vocabulary] = {}
    metrics: LabelMetrics | None = None
    """Metrics of the label. If the label is a number, these include `rmse`, `mae` and `r2`."""
    bands: dict[str, ClassMetrics] = {}
    """Metrics by frequency of the label: `head`, `torso`, `tail`."""
    reliability: list[ReliabilityBin] = []
    """Reliability diagram of the model on the test split, in ascending order of the bins. Empty for a number."""
    weighted: Weighted | None = None
    """Metrics by the weights of the rows (`data.weight`). All other metrics are without weights."""
    band_limits: dict[Literal["head", "torso"], int] = {}
    """Labels with a rank, from 0, below this limit are in the band or in an earlier one. The rest is the tail."""
    baselines: dict[str, LabelMetrics] = {}
    """Metrics of counting models on the same labels. For a number, of the mean over the train split. The nll of a
    baseline that only ranks is None."""
    margins: list[Margin] = []
    """Margins of the model over the best baseline, by recall@10 and perplexity, or by rmse for a number."""
    baseline_bands: dict[str, dict[str, ClassMetrics]] = {}
    previous: LabelMetrics | None = None
    """Metrics of the last blessed model on the same labels."""
    targets: Targets = {}
    """Metrics of the further targets, by column."""
    target_baselines: TargetBaselines = {}
    """Metrics of the targets' baselines, by column: the frequencies of a category, or the mean of a number, in the
    train split."""
    previous_targets: Targets = {}
    """Metrics of the last blessed model on the further targets, by column."""
    slices: list[Slice] = []
    predictions: Predictions | None = None
    neighbors: dict[Literal["inputs", "labels"], list[Neighborhood]] = {}
    """Nearest neighbors in the embeddings of the inputs and among the vectors of the classes."""
    own_metrics: list[Column] = []
    """Descriptions of a user's own metrics, so that readers of the summary need no module of the user's."""
    blessed: bool | None = None
    """True if the Evaluator blessed the model. None: the Evaluator did not run."""
    failures: list[str] = []
    """One sentence for each threshold that was missed."""
    servable: bool | None = None
    """True if the InfraValidator blessed the model. None: the InfraValidator did not run."""
    servable_cause: str | None = None
    """Reason why the model is not servable."""
    pushed: bool = False
    pushed_to: str | None = None
    defaults: Defaults | None = None
    """Values of unset keys that were chosen from the statistics."""
    tuning: Tuning | None = None
    """Search for values of trainer keys."""
    nodes: list[Node] = []
    versions: dict[str, str] = {}
    command: str = ""
    """Command that started the run, without secrets. Empty: no command did, as in a pod or in Python."""
    configuration: Configuration | None = None
    lineage: list[Execution] = []
    """Executions and artifacts of the run, in the order of the nodes."""
    training: Training | None = None
    failure: Failure | None = None
    """The node that failed, if the run did not finish."""

    def write(self, path: str | Path) -> None:
        """Write the file atomically: a reader never sees an incomplete file."""
        write_whole(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Summary:
        """Read a `summary.json`.

        Raises:
            ValueError: The file is not a summary of this format. The message names the file.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def evaluation_section(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a summary that come from `components.evaluation.results.read_results`.

    Returns:
        Keyword arguments of `Summary`: metrics, reliability, bands, weighted, baselines, baseline_bands, margins,
        previous, targets, target_baselines, previous_targets, slices, blessed, failures.
    """
    names = evaluation["metrics"]
    return {
        "metrics": _finite(evaluation["metrics"]),
        "reliability": evaluation.get("reliability", []),
        "bands": {band: _finite(values) for band, values in evaluation["bands"].items()},
        "weighted": _weighted(evaluation["weighted"]) if evaluation.get("weighted") else None,
        "baselines": {name: _finite(values) for name, values in evaluation["baselines"].items()},
        "baseline_bands": {
            name: {band: _finite(values) for band, values in bands.items()}
            for name, bands in evaluation.get("baseline_bands", {}).items()
        },
        "margins": evaluation.get("margins", []),
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


def _weighted(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "column": found["column"],
        "metrics": _finite(found["metrics"]),
        "baselines": {name: _finite(values) for name, values in found["baselines"].items()},
        **_targets(found),
    }


def training_section(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a summary that come from the Trainer's `training.json`.

    Returns:
        The fields of `Training`.
    """
    validations: Sequence[Mapping[str, Any]] = training["validations"]
    best = training.get("best")
    measured = training.get("measured", [*_placed("label", "validation"), *_placed("number", "validation")])
    shown = {*history("label"), *history("several"), *history("number")}
    kept = [name for name in measured if name in shown or name not in BY_NAME]
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
    """Return the names of the label's metrics in the history of a training."""
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
    """Replace NaN and infinity by None, since JSON has neither."""
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
