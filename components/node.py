"""A node as it describes itself: each component folder has a `node.py` with the nodes that lie there.

`pipeline/nodes.py` lists them in order. The DAG, the runners, the terminal, the summary and the report go by that list
and know no node by its name. A `node.py` imports TFX and TensorFlow only inside functions, so that the list of nodes
is there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_node import BaseNode
    from tfx.types import Artifact

    from components.data_validation.spec import StatisticsSpec
    from components.evaluation.spec import EvaluationSpec
    from components.ingest.spec import DataSpec
    from components.preprocessing.spec import VocabularySpec
    from components.training.spec import TrainerSpec

Outputs = Mapping[str, Sequence["Artifact"]]
"""Artifacts of one node by output key."""
Step = Literal["rows", "span", "run"]


class Specs(Protocol):
    """The parts of a configuration that nodes are built from."""

    @property
    def data(self) -> DataSpec: ...
    @property
    def statistics(self) -> StatisticsSpec: ...
    @property
    def vocabulary(self) -> VocabularySpec: ...
    @property
    def trainer(self) -> TrainerSpec: ...
    @property
    def evaluation(self) -> EvaluationSpec: ...


@dataclass(frozen=True)
class Site:
    """Everything a node is built from.

    Attributes:
        specs: The configuration.
        schema_file: The curated schema of the data.
        checkpoints: Folder for checkpoints, which outlives an execution.
        serving: Folder that a model server watches.
        spans: Spans of the source up to the newest to ingest, oldest first. Empty if the source has no spans, or if
            neither `ExampleGen` nor `Window` is going to run.
        built: Nodes that were built before, by name.
    """

    specs: Specs
    schema_file: str
    checkpoints: str
    serving: str
    spans: Sequence[int] = ()
    built: dict[str, BaseNode] = field(default_factory=dict)

    @property
    def columns(self) -> DataSpec:
        """The data spec without the fields that must not invalidate the cache."""
        return self.specs.data.model_copy(update={"schema_file": None, "window": None, "span": None})

    def output(self, key: str, *nodes: str) -> Any:
        """Return the channel `key` of the first of these nodes that is in the DAG."""
        return next(self.built[name].outputs[key] for name in nodes if name in self.built)


@dataclass(frozen=True)
class Section:
    """Part of the report.

    Attributes:
        place: Position on the page: sections with a smaller number come first.
        template: Jinja template, as `package:file.html.j2`. It is rendered with the whole summary as `s`, and renders
            nothing if the summary lacks what it shows. See `components.report.html.render`.
    """

    place: int
    template: str


class Workers(Protocol):
    """Several pods that run one node together."""

    def lead(self, run: Callable[[], int]) -> int:
        """Run the node in the first pod, with the others, and return the exit code of `run`."""
        ...

    def follow(self, worker: int) -> None:
        """Take part in the execution of the first pod, as worker number 1 or higher."""
        ...


class Node:
    """Part of the pipeline.

    Attributes:
        name: Id of the node in the DAG, on the terminal and in `summary.json`.
        step: `rows` if it reads one span's rows, `span` if it checks one span, `run` if it needs all spans. The nodes
            of the first two steps run for each span of a rolling range.
        looks_up_spans: Whether building it needs the spans of the source.
        needs_schema: Whether a pod of it needs the text of the schema file.
        accelerated: Whether it uses GPUs, and several pods can run it together.
        sections: Parts of the report.
    """

    name: ClassVar[str]
    step: ClassVar[Step] = "run"
    looks_up_spans: ClassVar[bool] = False
    needs_schema: ClassVar[bool] = False
    accelerated: ClassVar[bool] = False
    sections: ClassVar[tuple[Section, ...]] = ()

    def present(self, specs: Specs) -> bool:
        """Return whether the node is in the DAG of this configuration."""
        del specs
        return True

    def build(self, site: Site) -> BaseNode:
        """Build the node.

        Args:
            site: The configuration, places, and the nodes that were built before this one.
        """
        raise NotImplementedError

    def prepare(self, specs: Specs) -> None:
        """Set up the process that is going to run the node, before anything uses TensorFlow.

        Raises:
            ValueError: This machine cannot run the node as configured.
        """

    def workers(self, folder: str, count: int, patience: float, address: str | None) -> Workers:
        """Return the pods that run this node together. Only nodes that are `accelerated` have any.

        Args:
            folder: Shared by all pods.
            count: Number of pods.
            patience: Seconds to wait for each other.
            address: Address of this machine; None to look it up.
        """
        raise NotImplementedError

    def line(self, outputs: Outputs) -> str:
        """Return one line for the terminal about the artifacts of an execution; empty for none."""
        del outputs
        return ""

    def summary(self, run: Mapping[str, Outputs]) -> dict[str, Any]:
        """Return the part of `summary.json` that this node knows.

        Args:
            run: Outputs by node, of all nodes that completed; this node is one of them.
        """
        del run
        return {}


def merged(first: Any, second: Any) -> Any:
    """Merge two parts of a summary: mappings by key, lists of the same length by position.

    Raises:
        ValueError: Both say something else about the same thing.
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        both = {key: merged(first[key], second[key]) for key in first if key in second}
        return {**first, **second, **both}
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [merged(a, b) for a, b in zip(first, second, strict=True)]
    if first != second:
        raise ValueError(f"two nodes differ in the summary: {first!r} and {second!r}")
    return second
