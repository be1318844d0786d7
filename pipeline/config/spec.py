"""Configuration of a pipeline: one typed tree with a section for each component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from components.data_validation.spec import StatisticsSpec
from components.evaluation.spec import EvaluationSpec, bound_keys
from components.inference.spec import InferenceSpec
from components.ingest.errors import nearest
from components.ingest.spec import DataSpec
from components.labels.spec import LabelsSpec
from components.metrics.targets import label_baselines
from components.preprocessing.spec import VocabularySpec
from components.pushing.spec import ServingSpec
from components.spec import Spec
from components.training.spec import TrainerSpec
from pipeline.config.artifacts import ArtifactsSpec
from pipeline.config.beam import BeamSpec, LocalBeam
from pipeline.config.kubeflow import KubeflowSpec
from pipeline.config.metadata import MetadataSpec, SqliteSpec
from pipeline.nodes import node_names

_REQUIRED = {
    "trigram": "requires shape 'sequence'",
    "cooccurrence": "requires data.tokenizer 'none'",
    "history": "requires data.tokenizer 'none' and no evaluation.exclude_seen",
    "mean": "requires data.label_kind 'number'",
}
"""Requirement of each baseline that does not apply to all classes."""


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
    labels: LabelsSpec | None = None
    """Features of the labels, from a file with a line for each label. None: a label has no features."""
    trainer: TrainerSpec = TrainerSpec()
    """Model, optimizer and training loop."""
    evaluation: EvaluationSpec = EvaluationSpec()
    """Thresholds that a model must meet to be blessed, label bands, and user-defined metrics."""
    serving: ServingSpec = ServingSpec()
    """Pushed versions of the model."""
    artifacts: ArtifactsSpec = ArtifactsSpec()
    """Retention of the outputs of earlier runs."""
    inference: InferenceSpec = InferenceSpec()
    """Rows that the node BulkInferrer answers with the pushed model."""
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
    def _tied_to_be_shared(cls, tree: Any) -> Any:
        """Share the vocabulary if the class vectors are tied to the token vectors."""
        match tree:
            case {"vocabulary": {"shared": _}}:
                return tree
            case {"trainer": {"model": {"tie": True}}} if isinstance(tree.get("vocabulary", {}), dict):
                return {**tree, "vocabulary": {**tree.get("vocabulary", {}), "shared": True}}
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
        if mixture := self.trainer.head.mixture:
            if self.data.label_kind == "number":
                faults.append("trainer.head.mixture: the label is a number (data.label_kind), which has no n-grams")
            elif self.data.shape == "labelled" and mixture.order == 3:
                faults.append("trainer.head.mixture.order: 3 requires shape 'sequence'; use 2")
        if self.trainer.model.tie and self.data.label_kind == "number":
            faults.append("trainer.model.tie: the label is a number (data.label_kind), which has no class vectors")
        elif self.trainer.model.tie and not self.vocabulary.shared:
            faults.append("trainer.model.tie: needs one vocabulary for inputs and labels: set vocabulary.shared: true")
        faults += _example_faults(self.data, self.trainer)
        if self.labels is not None:
            faults += _label_faults(self.data, self.trainer)
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


def _label_faults(data: DataSpec, trainer: TrainerSpec) -> list[str]:
    """Return the faults of features of labels, without those of their file."""
    if data.label_kind == "number":
        return ["labels: the label is a number (data.label_kind), which has no class vectors; remove the section"]
    if trainer.model.tie and not trainer.model.embeds_label_features:
        return [
            f"labels: the encoder '{trainer.model.kind}' cannot add features of labels to its inputs, which "
            "trainer.model.tie requires: set trainer.model.tie: false, or choose another trainer.model.kind"
        ]
    return []


def _evaluation_faults(data: DataSpec, evaluation: EvaluationSpec) -> list[str]:
    """Return the faults of baselines and bounds that do not apply to this kind of label."""
    number = data.label_kind == "number"
    applying = label_baselines(data, evaluation.exclude_seen)
    faults = [
        f"evaluation.beat: '{name}' {_REQUIRED.get(name, 'does not apply')}; use {_listed(applying)}"
        for name in evaluation.beat or ()
        if name not in applying and not number
    ]
    if number and any(name not in applying for name in evaluation.beat or ()):
        faults.append("evaluation.beat: 'mean' is the only baseline of a label that is a number (data.label_kind)")
    if number and evaluation.exclude_seen:
        faults.append("evaluation.exclude_seen: the label is a number (data.label_kind), which no item of a row is")
    kind, foreign = ("number", "label") if number else ("class", "number")
    return faults + [
        f"evaluation.{bound}: the label is a {kind} (data.label_kind), which has no such metric; remove the key"
        for bound in bound_keys(foreign)
        if getattr(evaluation, bound) is not None
    ]


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(f"'{name}'" for name in names[:-1]), f"'{names[-1]}'"])
