"""The model and how it is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.spec import Spec


class ModelSpec(Spec):
    context: int = Field(10, ge=1)
    """K: how many input ids stand before the label, the latest last."""
    embedding: int = Field(50, ge=1)
    """Width of the input embedding."""
    projection: int = Field(128, ge=1)
    """Width of the projection W (embedding x projection, no bias), shared by all positions and examples."""
    feature_embedding: int = Field(8, ge=1)
    """Width of the embedding of each category feature."""
    hidden: int = Field(128, ge=1)
    """Width of the hidden layer, and of a row of the output table."""
    dropout: float = Field(0.0, ge=0, lt=1)


class HeadSpec(Spec):
    negatives: int = Field(1_024, ge=1)
    """S: draws from the proposal a step, shared by the batch."""
    alpha: float = Field(0.75, ge=0, le=1)
    """The proposal is proportional to count ** alpha."""
    logits: Literal["float32", "bfloat16"] = "float32"


class TrainerSpec(Spec):
    model: ModelSpec = ModelSpec()
    head: HeadSpec = HeadSpec()
    batch: int = Field(1_024, ge=1)
    """Examples a step, over all replicas."""
    epochs: float = Field(8, gt=0)
    """Passes over the train split. A fraction ends within a pass."""
    learning_rate: float = Field(1e-3, gt=0)
    """The peak; warmed up to linearly, then decayed to zero along a cosine."""
    warmup: float = Field(0.05, ge=0, lt=1)
    """Share of all steps."""
    patience: int = Field(2, ge=1)
    """Validations without a better validation nll after which training stops; the best weights are kept."""
    validations: int = Field(1, ge=1)
    """Validations with the full softmax an epoch."""
    replicas: int | Literal["auto"] = "auto"
    """`auto`: every GPU, or one CPU. A number: so many GPUs or, without GPUs, logical CPU devices."""
    seed: int = 1
    top_k: int = Field(50, ge=1)
    """Answers of the serving signatures; at most the number of labels."""
