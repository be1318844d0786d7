"""Configuration of a pipeline: one typed tree with a section for each component."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from components.data_validation.spec import StatisticsSpec
from components.evaluation.spec import EvaluationSpec, bound_keys
from components.ingest.errors import nearest
from components.ingest.spec import DataSpec
from components.preprocessing.spec import VocabularySpec
from components.spec import Spec
from components.training.spec import TrainerSpec
from pipeline.config.beam import BeamSpec, LocalBeam
from pipeline.config.kubeflow import KubeflowSpec
from pipeline.config.metadata import MetadataSpec, SqliteSpec
from pipeline.nodes import node_names


class Config(Spec):
    """Configuration of a pipeline: a preset, or your own YAML file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)
    """Name of the pipeline. Runs with the same name share their cache and their last blessed model."""
    description: str = ""
    """One-line description, shown by `bigvocab presets`."""
    data: DataSpec
    """Source of the rows, meaning of their columns, and splits."""
    statistics: StatisticsSpec = StatisticsSpec()
    """Statistics of the data."""
    vocabulary: VocabularySpec = VocabularySpec()
    """Vocabularies of the input tokens and of the labels."""
    trainer: TrainerSpec = TrainerSpec()
    """Model, optimizer and training loop."""
    evaluation: EvaluationSpec = EvaluationSpec()
    """Thresholds that a model must meet to be blessed, label bands, and user-defined metrics."""
    beam: BeamSpec = LocalBeam()
    """Engine that runs the Beam pipelines."""
    metadata: MetadataSpec = SqliteSpec()
    """Metadata store."""
    kubeflow: KubeflowSpec = KubeflowSpec()
    """Settings of `bigvocab compile` and `bigvocab submit`."""
    quick: dict[str, Any] = {}
    """Values that `--quick` sets, by dotted key, for a run of at most two minutes."""

    @model_validator(mode="before")
    @classmethod
    def _mean_to_be_beaten(cls, tree: Any) -> Any:
        """Make `mean` the default baseline if the label is a number, because a number has no popular class."""
        match tree:
            case {"data": {"label_kind": "number"}, "evaluation": {"beat": _}}:
                return tree
            case {"data": {"label_kind": "number"}} if isinstance(tree.get("evaluation", {}), dict):
                return {**tree, "evaluation": {**tree.get("evaluation", {}), "beat": ["mean"]}}
        return tree

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        faults = _evaluation_faults(self.data, self.evaluation) + [
            f"trainer.target_weights: '{name}' is not one of data.targets{nearest(name, self.data.targets)}"
            for name in self.trainer.target_weights
            if name not in self.data.targets
        ]
        if isinstance(self.trainer.replicas, int) and self.trainer.batch % self.trainer.replicas:
            faults.append(
                f"trainer.batch: {self.trainer.batch} is not divisible by trainer.replicas ({self.trainer.replicas})"
            )
        faults += _example_faults(self.data, self.trainer)
        faults += [
            f"kubeflow.nodes: unknown node '{name}'{nearest(name, node_names())}"
            for name in self.kubeflow.nodes
            if name not in node_names()
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _example_faults(data: DataSpec, trainer: TrainerSpec) -> list[str]:
    """Return the faults of `trainer.examples`."""
    if trainer.examples != "rows":
        return []
    faults = []
    if data.shape != "sequence":
        faults.append(
            f"trainer.examples: 'rows' requires data.shape 'sequence'; a row of shape '{data.shape}' has one label: "
            "use 'windows'"
        )
    if not trainer.model.causal:
        faults.append(
            f"trainer.examples: 'rows' requires a causal encoder, and trainer.model.kind '{trainer.model.kind}' is "
            "none; use 'recurrent' or 'transformer', or 'windows'"
        )
    return faults


def _evaluation_faults(data: DataSpec, evaluation: EvaluationSpec) -> list[str]:
    """Return the faults of baselines and bounds that do not apply to this kind of label."""
    number = data.label_kind == "number"
    faults = []
    if number and evaluation.beat not in ([], ["mean"]):
        faults.append("evaluation.beat: 'mean' is the only baseline of a label that is a number (data.label_kind)")
    if not number and "mean" in evaluation.beat:
        faults.append("evaluation.beat: 'mean' requires data.label_kind 'number'")
    if not number and data.shape == "labelled" and "trigram" in evaluation.beat:
        faults.append("evaluation.beat: 'trigram' requires shape 'sequence'; use 'popular' or 'bigram'")
    kind, foreign = ("number", "label") if number else ("class", "number")
    return faults + [
        f"evaluation.{bound}: the label is a {kind} (data.label_kind), which has no such metric; remove the key"
        for bound in bound_keys(foreign)
        if getattr(evaluation, bound) is not None
    ]
