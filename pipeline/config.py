"""The configuration of a pipeline: one typed tree, made of what each component wants to know."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from components.evaluation.spec import EvaluationSpec
from components.ingest.spec import DataSpec
from components.preprocessing.spec import VocabularySpec
from components.spec import Spec
from components.trainer.spec import TrainerSpec


class Config(Spec):
    """A preset, or a user's own YAML file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)
    """Name of the pipeline: runs under one name share their cache and their last blessed model."""
    description: str = ""
    """What it does, in a line, for `bigvocab presets`."""
    data: DataSpec
    vocabulary: VocabularySpec = VocabularySpec()
    trainer: TrainerSpec = TrainerSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    quick: dict[str, Any] = {}
    """What `--quick` sets, by dotted key, for a run of at most two minutes."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        faults = []
        if self.data.shape == "labelled" and "trigram" in self.evaluation.beat:
            faults.append("evaluation.beat: the trigram is a baseline of sequences; 'popular' and 'bigram' are left")
        if isinstance(self.trainer.replicas, int) and self.trainer.batch % self.trainer.replicas:
            faults.append(
                f"trainer.batch: {self.trainer.batch} cannot be dealt evenly to {self.trainer.replicas} replicas"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self
