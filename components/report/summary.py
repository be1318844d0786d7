"""`summary.json`: machine-readable results of a run. New versions add keys, and never rename or remove any."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from components.files import write_whole
from components.metrics.definitions import Column
from components.report.sections.data import Span, Split, UnusedRows, Vocabulary
from components.report.sections.measures import (
    ClassMetrics,
    LabelMetrics,
    Margin,
    ReliabilityBin,
    SummarySection,
    TargetBaselines,
    Targets,
    finite,
)
from components.report.sections.run import Configuration, Defaults, Execution, Failure, Node
from components.report.sections.shown import Neighborhood, Predictions
from components.report.sections.training import Training
from components.report.sections.tuning import Tuning

FORMAT = 1


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
        "metrics": finite(evaluation["metrics"]),
        "reliability": evaluation.get("reliability", []),
        "bands": {band: finite(values) for band, values in evaluation["bands"].items()},
        "weighted": _weighted(evaluation["weighted"]) if evaluation.get("weighted") else None,
        "baselines": {name: finite(values) for name, values in evaluation["baselines"].items()},
        "baseline_bands": {
            name: {band: finite(values) for band, values in bands.items()}
            for name, bands in evaluation.get("baseline_bands", {}).items()
        },
        "margins": evaluation.get("margins", []),
        "previous": finite(evaluation["previous"]) if evaluation.get("previous") else None,
        **_targets(evaluation),
        "previous_targets": {name: finite(values) for name, values in evaluation.get("previous_targets", {}).items()},
        "slices": [
            {
                "slice": entry["slice"],
                "value": entry["value"],
                "metrics": finite({name: entry[name] for name in names}),
                "baselines": {name: finite(values) for name, values in entry["baselines"].items()},
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
        "metrics": finite(found["metrics"]),
        "baselines": {name: finite(values) for name, values in found["baselines"].items()},
        **_targets(found),
    }


def _targets(measured: Mapping[str, Any]) -> dict[str, Any]:
    baselines = measured.get("target_baselines", {})
    return {
        "targets": {name: finite(values) for name, values in measured.get("targets", {}).items()},
        "target_baselines": {
            name: {baseline: finite(values) for baseline, values in of.items()} for name, of in baselines.items()
        },
    }
