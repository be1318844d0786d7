"""The configuration of a pipeline: one typed tree, made of what each component wants to know."""

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
    """A preset, or a user's own YAML file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)
    """Name of the pipeline: runs under one name share their cache and their last blessed model."""
    description: str = ""
    """What it does, in a line, for `bigvocab presets`."""
    data: DataSpec
    statistics: StatisticsSpec = StatisticsSpec()
    vocabulary: VocabularySpec = VocabularySpec()
    trainer: TrainerSpec = TrainerSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    beam: BeamSpec = LocalBeam()
    metadata: MetadataSpec = SqliteSpec()
    kubeflow: KubeflowSpec = KubeflowSpec()
    quick: dict[str, Any] = {}
    """What `--quick` sets, by dotted key, for a run of at most two minutes."""

    @model_validator(mode="before")
    @classmethod
    def _mean_to_be_beaten(cls, tree: Any) -> Any:
        """A number has no popular class: where nothing is said, its mean is what a model must beat."""
        match tree:
            case {"data": {"label_kind": "number"}, "evaluation": {"beat": _}}:
                return tree
            case {"data": {"label_kind": "number"}} if isinstance(tree.get("evaluation", {}), dict):
                return {**tree, "evaluation": {**tree.get("evaluation", {}), "beat": ["mean"]}}
        return tree

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        faults = _evaluation_faults(self.data, self.evaluation) + [
            f"trainer.target_weights: '{name}' is none of data.targets{nearest(name, self.data.targets)}"
            for name in self.trainer.target_weights
            if name not in self.data.targets
        ]
        if isinstance(self.trainer.replicas, int) and self.trainer.batch % self.trainer.replicas:
            faults.append(
                f"trainer.batch: {self.trainer.batch} cannot be dealt evenly to {self.trainer.replicas} replicas"
            )
        faults += [
            f"kubeflow.nodes: '{name}' is no node{nearest(name, node_names())}"
            for name in self.kubeflow.nodes
            if name not in node_names()
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _evaluation_faults(data: DataSpec, evaluation: EvaluationSpec) -> list[str]:
    """Baselines and bounds that this kind of label has not."""
    number = data.label_kind == "number"
    faults = []
    if number and evaluation.beat not in ([], ["mean"]):
        faults.append("evaluation.beat: the one baseline of a label that is a number is 'mean'")
    if not number and "mean" in evaluation.beat:
        faults.append("evaluation.beat: the mean is a baseline of a label that is a number (data.label_kind)")
    if not number and data.shape == "labelled" and "trigram" in evaluation.beat:
        faults.append("evaluation.beat: the trigram is a baseline of sequences; 'popular' and 'bigram' are left")
    kind, foreign = ("number", "label") if number else ("class", "number")
    return faults + [
        f"evaluation.{bound}: the label is a {kind} (data.label_kind), of which there is no such measure"
        for bound in bound_keys(foreign)
        if getattr(evaluation, bound) is not None
    ]
