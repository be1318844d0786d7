"""The model and how it is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.spec import Spec


class ModelSpec(Spec):
    context: int = Field(default=10, ge=1)
    """K: how many input ids stand before the label, the latest last."""
    embedding: int = Field(default=50, ge=1)
    """Width of the input embedding."""
    projection: int = Field(default=128, ge=1)
    """Width of the projection W (embedding x projection, no bias), shared by all positions and examples."""
    feature_embedding: int = Field(default=8, ge=1)
    """Width of the embedding of each category feature."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer, and of a row of the output table."""
    activation: Literal["glu", "relu", "gelu", "silu", "tanh"] = "glu"
    """Of the hidden layer; `glu` multiplies it with a sigmoid gate that has weights of its own."""
    normalize: bool = True
    """Layer normalisation of the hidden layer."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the projected inputs that is dropped in training."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the hidden layer that is dropped in training."""


class HeadSpec(Spec):
    negatives: int = Field(default=1_024, ge=1)
    """S: draws from the proposal a step, shared by the batch."""
    alpha: float = Field(default=0.75, ge=0, le=1)
    """The proposal is proportional to count ** alpha."""
    logits: Literal["float32", "bfloat16"] = "float32"


class TrainerSpec(Spec):
    model: ModelSpec = ModelSpec()
    head: HeadSpec = HeadSpec()
    batch: int = Field(default=1_024, ge=1)
    """Examples a step, over all replicas."""
    epochs: float = Field(default=5, gt=0)
    """Passes over the train split. A fraction ends within a pass."""
    learning_rate: float = Field(default=6e-3, gt=0)
    """The peak; warmed up to linearly, then decayed to zero along a cosine."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps."""
    patience: int = Field(default=2, ge=1)
    """Validations without a better validation nll after which training stops; the best weights are kept."""
    validations: int = Field(default=1, ge=1)
    """Validations with the full softmax an epoch."""
    validation_examples: int = Field(default=16_384, ge=1)
    """A fixed random sample of the eval split, of this size, is what a validation measures."""
    replicas: int | Literal["auto"] = "auto"
    """`auto`: every GPU, or one CPU. A number: so many GPUs or, without GPUs, logical CPU devices."""
    seed: int = 1
    top_k: int = Field(default=50, ge=1)
    """Answers of the serving signatures; at most the number of labels."""
