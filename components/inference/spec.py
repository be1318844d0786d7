"""Configuration of the node BulkInferrer."""

from __future__ import annotations

from typing import Self

from pydantic import PositiveInt, model_validator

from components.spec import Spec


class InferenceSpec(Spec):
    """Rows for which the node BulkInferrer writes the answers of the pushed model."""

    path: str | None = None
    """File, folder or glob pattern of the rows. A relative path is relative to the configuration file. None: the
    pipeline has no node BulkInferrer. `bigvocab run --infer` sets this key."""
    keep: list[str] = []
    """Columns of the rows to copy to the answers. `bigvocab run --keep` sets this key."""
    top: PositiveInt | None = None
    """Number of labels in an answer. None: 10, or all labels that the model returns."""
    chosen: bool = False
    """With several labels per row: answer the labels whose probability is at least the threshold of the model, at most
    `top`, in place of the most probable ones. None of them may reach it."""

    @model_validator(mode="after")
    def _has_rows(self) -> Self:
        if self.path is None and (self.keep or self.top or self.chosen):
            raise ValueError(
                "keep, top and chosen need inference.path, the rows to answer, as `run --infer FILE` sets it"
            )
        return self
