"""Configuration of a pipeline: one typed tree with a section for each component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from components.data_validation.spec import StatisticsSpec
from components.evaluation.spec import EvaluationSpec, bound_keys
from components.extensions import is_path, resolve_class
from components.inference.spec import InferenceSpec
from components.ingest.errors import nearest
from components.ingest.spec import DataSpec
from components.labels.spec import LabelsSpec
from components.metrics.targets import LABEL_KINDS, label_baselines
from components.preprocessing.spec import VocabularySpec
from components.pushing.spec import CardSpec, ServingSpec
from components.spec import Spec
from components.training.spec import TrainerSpec
from components.tuning.spec import TunerSpec
from pipeline.config.sections.artifacts import ArtifactsSpec
from pipeline.config.sections.beam import BeamSpec, LocalBeam
from pipeline.config.sections.kubeflow import KubeflowSpec
from pipeline.config.sections.metadata import MetadataSpec, SqliteSpec
from pipeline.config.sections.tuning import range_faults
from pipeline.nodes import node_names

_REQUIRED = {
    "trigram": "requires shape 'sequence'",
    "cooccurrence": "requires data.tokenizer 'none'",
    "history": "requires data.tokenizer 'none' and no evaluation.exclude_seen",
    "bayes": "requires data.label_kind 'classes'",
    "nearest": "requires data.label_kind 'classes'",
    "mean": "requires data.label_kind 'number'",
}
"""Requirement of each baseline that does not apply to all classes."""
_OF_ONE_LABEL = ("bigram", "trigram", "cooccurrence")
"""Baselines of rows with one label."""


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
    tuner: TunerSpec | None = None
    """Search for values of trainer keys before the training: `bigvocab tune`. None: no search."""
    evaluation: EvaluationSpec = EvaluationSpec()
    """Thresholds that a model must meet to be blessed, label bands, and user-defined metrics."""
    serving: ServingSpec = ServingSpec()
    """Pushed versions of the model."""
    card: CardSpec = CardSpec()
    """Statements of the model card beside each pushed model."""
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
            elif self.data.several_labels:
                faults.append(
                    "trainer.head.mixture: needs one label per row, and data.label_kind is 'classes'; use 'none'"
                )
            elif self.data.shape == "labelled" and mixture.order == 3:
                faults.append("trainer.head.mixture.order: 3 requires shape 'sequence'; use 2")
        if self.trainer.model.tie and self.data.label_kind == "number":
            faults.append("trainer.model.tie: the label is a number (data.label_kind), which has no class vectors")
        elif self.trainer.model.tie and not self.vocabulary.shared:
            faults.append("trainer.model.tie: needs one vocabulary for inputs and labels: set vocabulary.shared: true")
        faults += _example_faults(self.data, self.trainer) + _loss_faults(self.data, self.trainer)
        faults += _basket_faults(self.data, self.trainer)
        if self.data.token_features and not self.trainer.model.token_features:
            faults.append(
                f"data.token_features: the encoder '{self.trainer.model.kind}' does not read them: use "
                "`Encoder.embedded` in its layer and set `token_features = True` in its specification, or choose "
                "another trainer.model.kind"
            )
        faults += _export_faults(self.data, self.trainer, self.labels is not None)
        if self.labels is not None:
            faults += _label_faults(self.data, self.trainer)
        faults += [
            f"kubeflow.nodes: unknown node '{name}'{nearest(name, node_names())}"
            for name in self.kubeflow.nodes
            if name not in node_names()
        ]
        if self.tuner is not None and not faults:
            set_keys = self.model_dump(mode="json", exclude_unset=True, exclude={"tuner", "quick"})
            faults += range_faults(self.tuner, self.trainer, set_keys, self._check_values)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _check_values(self, tree: Any) -> None:
        """Check a configuration with values of a search.

        Raises:
            ValueError: The configuration is wrong, or its vocabularies would have to be counted again.
        """
        if type(self).model_validate(tree).vocabulary != self.vocabulary:
            raise ValueError("it would change the vocabularies, which are counted before the search")


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


def _loss_faults(data: DataSpec, trainer: TrainerSpec) -> list[str]:
    """Return the faults of the loss of several labels, and of the weights of classes."""
    head, faults = trainer.head, []
    if trainer.class_weights is not None and data.label_kind == "number":
        faults.append("trainer.class_weights: the label is a number (data.label_kind), which has no classes; remove it")
    if head.loss != "softmax" and not data.several_labels:
        faults.append(
            f"trainer.head.loss: '{head.loss}' needs rows with several labels: set data.label_kind: classes, or remove "
            "the key"
        )
    if data.several_labels and is_path(head.form):
        from components.layers.forms.base import Form  # TensorFlow takes seconds to load.

        if resolve_class(head.form, Form).losses_of_several is Form.losses_of_several:
            faults.append(
                f"trainer.head.form: {head.form} has only a loss for one label per row, and data.label_kind is "
                "'classes': define losses_of_several, or use a built-in form"
            )
    return faults


def _basket_faults(data: DataSpec, trainer: TrainerSpec) -> list[str]:
    """Return the faults of an encoder and of an output layer that need baskets."""
    head, faults = trainer.head, []
    if data.baskets is None:
        column = "set data.baskets to the column of the basket of each token"
        if trainer.model.baskets:
            faults.append(
                f"trainer.model.kind: '{trainer.model.kind}' reads the ages of baskets: {column}, or use 'session'"
            )
        if head.repeats:
            faults.append(f"trainer.head.repeats: reads the ages of baskets: {column}, or remove the key")
    elif trainer.examples == "rows":
        faults.append("trainer.examples: 'rows' has one label at each position, and data.baskets sets: use 'windows'")
    if head.repeats and head.loss != "softmax":
        faults.append(f"trainer.head.repeats: needs trainer.head.loss 'softmax', not '{head.loss}'")
    if head.repeats and head.form not in ("auto", "full"):
        faults.append(
            f"trainer.head.repeats: its loss is over all classes, and trainer.head.form is '{head.form}': remove "
            "the form, or the repeats"
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


def _export_faults(data: DataSpec, trainer: TrainerSpec, features: bool) -> list[str]:
    """Return the faults of the search and of the class vectors of an export, as far as the configuration sets them.

    Args:
        data: Meaning of the columns.
        trainer: Configuration of the training.
        features: True if the labels have features.
    """
    keys, faults = trainer.model_fields_set, []
    number = "the label is a number (data.label_kind), which has no classes; remove the key"
    if trainer.class_table == "int8" and data.label_kind == "number":
        faults.append(f"trainer.class_table: {number}")
    elif trainer.class_table == "int8" and features:
        faults.append("trainer.class_table: 'int8' has no room for labels that are added later; remove it, or `labels`")
    if "approximate" not in keys or trainer.approximate is None:
        return faults
    if data.label_kind == "number":
        faults.append(f"trainer.approximate: {number}")
    elif features:
        faults.append("trainer.approximate: a label that is added later is in no cluster: remove it, or `labels`")
    elif trainer.head.mixture:
        faults.append("trainer.approximate: the counts of trainer.head.mixture rank other classes first: use 'none'")
    elif trainer.head.repeats:
        faults.append("trainer.approximate: no cluster knows the bonus of trainer.head.repeats: remove one of them")
    return faults


def _evaluation_faults(data: DataSpec, evaluation: EvaluationSpec) -> list[str]:
    """Return the faults of baselines and bounds that do not apply to this kind of label."""
    number = data.label_kind == "number"
    applying = label_baselines(data, evaluation.exclude_seen)
    faults = [
        f"evaluation.beat: '{name}' {_requirement(name, data)}; use {_listed(applying)}"
        for name in evaluation.beat or ()
        if name not in applying and not number
    ]
    if number and any(name not in applying for name in evaluation.beat or ()):
        faults.append("evaluation.beat: 'mean' is the only baseline of a label that is a number (data.label_kind)")
    if data.several_labels and evaluation.exclude_seen:
        faults.append("evaluation.exclude_seen: needs one label per row, and data.label_kind is 'classes'; remove it")
    if number and evaluation.exclude_seen:
        faults.append("evaluation.exclude_seen: the label is a number (data.label_kind), which no item of a row is")
    is_kind = "rows have several labels" if data.several_labels else f"the label is a {data.label_kind}"
    without = "without such a metric" if data.several_labels else "which has no such metric"
    own = bound_keys(LABEL_KINDS[data.label_kind])
    foreign = dict.fromkeys(bound for kind in LABEL_KINDS.values() for bound in bound_keys(kind) if bound not in own)
    return faults + [
        f"evaluation.{bound}: {is_kind} (data.label_kind), {without}; remove the key"
        for bound in foreign
        if getattr(evaluation, bound) is not None
    ]


def _requirement(name: str, data: DataSpec) -> str:
    if data.several_labels and name in _OF_ONE_LABEL:
        return "requires one label per row, and data.label_kind is 'classes'"
    return _REQUIRED.get(name, "does not apply")


def _listed(names: Sequence[str]) -> str:
    return " or ".join([", ".join(f"'{name}'" for name in names[:-1]), f"'{names[-1]}'"])
