"""Base class of nodes. Each component folder defines its nodes in a `node.py`.

`pipeline/nodes.py` lists the nodes in order. The DAG, the runners, the terminal, the summary and the report use that
list, and refer to no node by name. A `node.py` imports TFX and TensorFlow only inside functions, so that the list of
nodes loads fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode
    from tfx.types import Artifact

    from components.charts import Chart
    from components.data_validation.spec import StatisticsSpec
    from components.evaluation.spec import EvaluationSpec
    from components.inference.spec import InferenceSpec
    from components.ingest.extent import Extent
    from components.ingest.spec import DataSpec
    from components.labels.spec import LabelsSpec
    from components.preprocessing.spec import VocabularySpec
    from components.pushing.spec import CardSpec, ServingSpec
    from components.training.spec import TrainerSpec
    from components.tuning.spec import TunerSpec

Outputs = Mapping[str, Sequence["Artifact"]]
"""Artifacts of one node by output key."""
Step = Literal["rows", "span", "run"]


class Specs(Protocol):
    """Sections of a configuration from which nodes are built."""

    @property
    def data(self) -> DataSpec:
        """Source of the rows, and the meaning of their columns."""
        ...

    @property
    def statistics(self) -> StatisticsSpec:
        """Limit on the rows that the statistics read."""
        ...

    @property
    def vocabulary(self) -> VocabularySpec:
        """Sizes of the vocabularies, and the tokens that they include."""
        ...

    @property
    def labels(self) -> LabelsSpec | None:
        """Features of the labels, or None."""
        ...

    @property
    def trainer(self) -> TrainerSpec:
        """Model, optimizer and course of the training."""
        ...

    @property
    def tuner(self) -> TunerSpec | None:
        """Search for values of trainer keys, or None."""
        ...

    @property
    def evaluation(self) -> EvaluationSpec:
        """Metrics, frequency bands, and thresholds that a model must meet."""
        ...

    @property
    def serving(self) -> ServingSpec:
        """Versions of the model that remain after a push."""
        ...

    @property
    def name(self) -> str:
        """Name of the pipeline."""
        ...

    @property
    def description(self) -> str:
        """One-line description of the pipeline."""
        ...

    @property
    def card(self) -> CardSpec:
        """Statements of the model card."""
        ...

    @property
    def inference(self) -> InferenceSpec:
        """Rows to answer with the pushed model."""
        ...


@dataclass(frozen=True)
class Site:
    """Inputs from which a node is built.

    Attributes:
        specs: The configuration.
        schema_file: Path of the curated schema of the data.
        checkpoints: Folder for checkpoints. It outlives an execution.
        searches: Folder for the trials of searches. It outlives an execution.
        serving: Folder that a model server watches.
        spans: Spans of the source up to the newest to ingest, oldest first. Empty if the source has no spans, or if
            neither `ExampleGen` nor `RollingRange` is going to run.
        built: Nodes built so far, by name.
    """

    specs: Specs
    schema_file: str
    checkpoints: str
    searches: str
    serving: str
    spans: Sequence[int] = ()
    built: dict[str, BaseNode] = field(default_factory=dict)

    @property
    def columns(self) -> DataSpec:
        """Data spec without the fields that must not invalidate the cache."""
        return self.specs.data.model_copy(update={"schema_file": None, "num_spans": None, "span": None})

    def output(self, key: str, *nodes: str) -> Any:
        """Return the channel `key` of the first of these nodes that is in the DAG."""
        return next(self.built[name].outputs[key] for name in nodes if name in self.built)


@dataclass(frozen=True)
class Space:
    """Estimated disk space of a node in bytes, below the root of the run.

    Attributes:
        kept: Size of the outputs.
        passing: Size of the files that the node deletes at its end, in addition to its outputs.
        sure: False if the estimate may be wrong by more than a factor of two.
    """

    kept: int = 0
    passing: int = 0
    sure: bool = True

    @property
    def most(self) -> int:
        """Space while the node runs."""
        return self.kept + self.passing


def _no_charts(summary: Any) -> Sequence[Chart]:
    del summary
    return ()


@dataclass(frozen=True)
class Section:
    """Section of the report.

    Attributes:
        place: Position on the page: sections with a smaller number come first.
        template: Jinja template, as `package:file.html.j2`. The whole summary is available as `s`. The template renders
            nothing if the summary lacks its data. See `components.report.html.render`.
        charts: Function from the summary to the charts of the section, which the template has as `charts`.
    """

    place: int
    template: str
    charts: Callable[[Any], Sequence[Chart]] = _no_charts


class Workers(Protocol):
    """Pods that run one node together."""

    def lead(self, run: Callable[[], int]) -> int:
        """Run the node in the first pod, together with the other pods, and return the exit code of `run`."""
        ...

    def follow(self, worker: int) -> None:
        """Join the execution of the first pod, as worker number 1 or higher."""
        ...


class Node:
    """Node of the pipeline.

    Attributes:
        name: Id of the node in the DAG, on the terminal and in `summary.json`.
        step: `rows` if the node reads one span's rows, `span` if it checks one span, `run` if it needs all spans. Nodes
            of the first two steps run for each span of a rolling range.
        looks_up_spans: True if `build` needs the spans of the source.
        needs_schema: True if a pod of the node needs the text of the schema file.
        accelerated: True if the node uses GPUs, and several pods can run it together.
        sections: Sections of the report.
    """

    name: ClassVar[str]
    step: ClassVar[Step] = "run"
    looks_up_spans: ClassVar[bool] = False
    needs_schema: ClassVar[bool] = False
    accelerated: ClassVar[bool] = False
    sections: ClassVar[tuple[Section, ...]] = ()

    def present(self, specs: Specs) -> bool:
        """Return True if the node is in the DAG of this configuration."""
        del specs
        return True

    def build(self, site: Site) -> BaseNode:
        """Build the node.

        Args:
            site: Configuration, folders, and the nodes built so far.
        """
        raise NotImplementedError

    def space(self, specs: Specs, extent: Extent) -> Space:
        """Estimate the disk space of the node, within a factor of two. Nodes that write little return no space.

        Args:
            specs: The configuration.
            extent: Amount of data that the run uses.
        """
        del specs, extent
        return Space()

    def prepare(self, specs: Specs) -> None:
        """Set up the process that will run the node, before any use of TensorFlow.

        Raises:
            ValueError: This machine cannot run the node as configured.
        """

    def workers(self, folder: str, count: int, timeout: float, address: str | None) -> Workers:
        """Return the pods that run this node together. Only `accelerated` nodes implement this method.

        Args:
            folder: Folder that all pods share.
            count: Number of pods.
            timeout: Seconds that the pods wait for each other.
            address: Address of this machine; None to look it up.
        """
        raise NotImplementedError

    def line(self, outputs: Outputs) -> str:
        """Return a line for the terminal about the artifacts of an execution, or an empty string."""
        del outputs
        return ""

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the entries of `summary.json` that this node contributes.

        Args:
            run: Outputs of all completed nodes, by node. This node is among them.
        """
        del run
        return {}


def merged(first: Any, second: Any) -> Any:
    """Merge two summaries: mappings by key, lists of the same length by position.

    Raises:
        ValueError: The summaries have different values in the same place.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        both = {key: merged(first[key], second[key]) for key in first if key in second}
        return {**first, **second, **both}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [merged(a, b) for a, b in zip(first, second, strict=True)]
    if first != second:
        raise ValueError(f"two nodes differ in the summary: {first!r} and {second!r}")
    return second
