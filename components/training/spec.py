"""The model and how it is trained."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, model_validator

from components.layers.encoders.spec import ModelSpec, SharedProjectionSpec
from components.spec import Spec


class HeadSpec(Spec):
    form: Literal["auto", "shared", "own", "full"] = "auto"
    """What a row's label is trained against. `shared`: all labels of the batch and S draws. `own`: its own label and S
    draws. `full`: all classes. `auto`: `own`, and `full` with as many draws as classes: what was measured fastest."""
    negatives: int = Field(default=1_024, ge=1)
    """S: draws from the proposal a step, shared by the batch."""
    alpha: float = Field(default=0.75, ge=0, le=1)
    """The proposal is proportional to count ** alpha."""
    logits: Literal["float32", "bfloat16"] = "float32"


class OptimizerSpec(Spec):
    kind: Literal["adam", "row_adam"] = "row_adam"
    """`adam`: exact. `row_adam`: of a table only the rows of a step move, which costs the same however many rows there
    are."""
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled, times the learning rate; with `row_adam` only of the rows of a step."""
    clipnorm: float | None = Field(default=None, gt=0)
    """Upper bound of the norm of each weight's gradient."""
    global_clipnorm: float | None = Field(default=None, gt=0)
    """Upper bound of the norm of all gradients together."""
    clipvalue: float | None = Field(default=None, gt=0)
    """Bound of each component of the gradients."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if len({"clipnorm", "global_clipnorm", "clipvalue"} & {k for k, v in self if v is not None}) > 1:
            raise ValueError("give only one of clipnorm, global_clipnorm and clipvalue")
        return self


class UpdateSpec(Spec):
    """When the weights that all inputs share are updated; all others train at every step."""

    kind: Literal["always", "accumulate", "alternate"] = "always"
    """`always`: at every step. `accumulate`: their gradients are summed up, and the mean is applied as one update at
    the end of each period. `alternate`: they train in the last epoch of each period and stand still before."""
    every: float = Field(default=2, gt=0)
    """The period in epochs. A fraction ends within an epoch."""
    every_steps: int | None = Field(default=None, ge=1)
    """The period in steps, in place of `every`. `alternate` then trains in the last step of each."""
    embedding: bool = False
    """Hold back the input embedding too."""

    @model_validator(mode="after")
    def _stands_still(self) -> Self:
        if self.kind == "alternate" and (self.every_steps == 1 or (self.every_steps is None and self.every <= 1)):
            raise ValueError(
                "'alternate' trains in the last epoch (or step) of a period: give 'every' more than 1 epoch, "
                "or 'every_steps' more than 1 step"
            )
        return self


class TrainerSpec(Spec):
    model: ModelSpec = SharedProjectionSpec()
    head: HeadSpec = HeadSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    update: UpdateSpec = UpdateSpec()
    batch: int = Field(default=1_024, ge=1)
    """Examples a step, over all replicas."""
    epochs: float = Field(default=5, gt=0)
    """Passes over the train split. A fraction ends within a pass."""
    learning_rate: float = Field(default=6e-3, gt=0)
    """The peak; warmed up to linearly, then decayed to zero along a cosine."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps."""
    target_weights: dict[str, NonNegativeFloat] = {}
    """Weights of the further targets' losses (`data.targets`) beside the label's, by column; 1 where nothing is said. A
    category's loss is in nats, a number's the squared error in variances."""
    patience: int = Field(default=2, ge=1)
    """Validations without a better validation nll, or rmse of a number, after which training stops; the best weights
    are kept."""
    validations: int = Field(default=1, ge=1)
    """Validations with the full softmax an epoch."""
    validation_examples: int = Field(default=16_384, ge=1)
    """A fixed random sample of the eval split, of this size, is what a validation measures."""
    replicas: int | Literal["auto"] = "auto"
    """`auto`: every GPU, or one CPU. A number: so many GPUs or, without GPUs, logical CPU devices."""
    checkpoint_seconds: float = Field(default=60, gt=0)
    """Seconds between two checkpoints. There is one after each validation too; an interrupted training goes on from the
    last."""
    warm_start: bool = False
    """Start from the last blessed model that was trained on other data, its rows carried over by token. Not the
    default: the result then depends on the runs before, and rows that these trained on must not have moved into the
    test split, as they do when `data.splits` or `data.split_by` change."""
    seed: int = 1
    top_k: int = Field(default=50, ge=1)
    """Answers of the serving signatures; at most the number of labels."""
