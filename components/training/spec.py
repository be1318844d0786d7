"""Configuration of the model and its training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from components.ingest.spec import Shape
from components.layers.encoders.registry import DefaultSpec, ModelSpec
from components.layers.forms.spec import AnyHead, BuiltInHeadSpec
from components.spec import Spec


class OptimizerSpec(Spec):
    """Optimizer, with its weight decay and gradient clipping."""

    kind: Literal["adam", "row_adam"] = "row_adam"
    """`adam`: exact Adam, which updates every row of a table at every step. `row_adam`: Adam that updates only the rows
    with a gradient in the current step, so the cost of a step does not grow with the size of the tables."""
    beta_1: float = Field(default=0.9, ge=0, lt=1)
    """Exponential decay rate of Adam's first moment estimates."""
    beta_2: float = Field(default=0.999, ge=0, lt=1)
    """Exponential decay rate of Adam's second moment estimates."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay, multiplied by the learning rate. With `row_adam`, only the table rows of the current step
    decay. 0: none."""
    clipnorm: float | None = Field(default=None, gt=0)
    """Maximum norm of the gradient of each weight tensor. None: no clipping. Set at most one of `clipnorm`,
    `global_clipnorm` and `clipvalue`."""
    global_clipnorm: float | None = Field(default=None, gt=0)
    """Maximum global norm of all gradients together. None: no clipping."""
    clipvalue: float | None = Field(default=None, gt=0)
    """Maximum absolute value of each gradient element. None: no clipping."""

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if len({"clipnorm", "global_clipnorm", "clipvalue"} & {k for k, v in self if v is not None}) > 1:
            raise ValueError("set at most one of clipnorm, global_clipnorm and clipvalue")
        return self


class UpdateSpec(Spec):
    """Schedule of updates for the weights that all inputs share. All other weights are updated at every step."""

    kind: Literal["always", "accumulate", "alternate"] = "always"
    """`always`: update the shared weights at every step. `accumulate`: accumulate their gradients and apply the mean as
    one update at the end of each period. `alternate`: freeze them until the last epoch of each period, then train them
    at every step."""
    every: float = Field(default=2, gt=0)
    """Length of a period in epochs. With a fraction, a period ends within an epoch."""
    every_steps: int | None = Field(default=None, ge=1)
    """Length of a period in steps; overrides `every`. `alternate` then trains the shared weights only in the last step
    of each period. None: use `every`."""
    embedding: bool = False
    """Apply this schedule to the input embedding too."""

    @model_validator(mode="after")
    def _stands_still(self) -> Self:
        if self.kind == "alternate" and (self.every_steps == 1 or (self.every_steps is None and self.every <= 1)):
            raise ValueError(
                "'alternate' trains the shared weights only in the last epoch (or step) of a period: set 'every' "
                "above 1 epoch, or 'every_steps' above 1 step"
            )
        return self


class ClassWeightsSpec(Spec):
    """Weights of the classes of the label in the training loss: rare classes count more."""

    power: float = Field(default=0.5, gt=0, le=1)
    """p in the weight of class j, (n / n_j)^p, where n_j is the number of occurrences of the class in the train split.
    n makes the mean over all occurrences 1. With 1, all classes have the same share in the loss."""


class ApproximateSpec(Spec):
    """Approximate search for the most probable labels in the signature `serving_default`, by clusters of classes."""

    above: int = Field(default=100_000, ge=0)
    """Number of classes above which answers are approximate. With fewer classes, they are exact."""
    clusters: PositiveInt | Literal["auto"] = "auto"
    """Number of clusters. `auto`: about twice the square root of the number of classes."""
    probes: PositiveInt | Literal["auto"] = "auto"
    """Number of clusters that a search reads. `auto`: the least number that reaches `recall` on the eval split."""
    recall: float = Field(default=0.99, gt=0, lt=1)
    """Least recall@10: share of the 10 most probable labels that a search finds. Its lower bound (95%) on the eval
    split must reach this value. Otherwise, the answers are exact."""


WITHOUT_EFFECT = frozenset(
    {"approximate", "checkpoint_seconds", "class_table", "profile_steps", "replicas", "top_k", "worker_timeout"}
)
"""Keys of `TrainerSpec` that are no hyperparameters: they do not change the expected weights."""


class TrainerSpec(Spec):
    """Model, optimizer and training loop."""

    model: ModelSpec = DefaultSpec()
    """Encoder that turns the inputs into the hidden vector."""
    head: AnyHead = BuiltInHeadSpec()
    """Output layer over the classes of the label, and its training loss."""
    optimizer: OptimizerSpec = OptimizerSpec()
    """Optimizer, with its weight decay and gradient clipping."""
    update: UpdateSpec = UpdateSpec()
    """Schedule of updates for the weights that all inputs share."""
    examples: Literal["auto", "rows", "windows"] = "auto"
    """Form of the training examples of shape `sequence`. `windows`: each label has its own window of `model.context`
    ids. `rows`: the encoder processes a row once and is trained at all its positions; it must be causal. Rows of more
    than `model.context` ids are cut, and each cut overlaps the one before it by a quarter of the context. `auto`:
    `rows` for a causal encoder (`recurrent`, `transformer`), `windows` for all others."""
    batch: int = Field(default=1_024, ge=1)
    """Global batch size: examples per step, over all replicas. If `replicas` is a number, it must divide the batch
    size. A batch of whole rows has about this many labels, and at least as many as the longest row or cut."""
    epochs: float = Field(default=5, gt=0)
    """Passes over the train split. With a fraction, training ends within a pass."""
    learning_rate: float = Field(default=6e-3, gt=0)
    """Peak learning rate. The rate rises linearly to the peak during warm-up, then decays to zero along a cosine."""
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of all steps used for learning rate warm-up."""
    target_weights: dict[str, NonNegativeFloat] = {}
    """Loss weights of the further targets (`data.targets`), by column. The default weight is 1, equal to the label's.
    The loss of a category is in nats; the loss of a number is the squared error divided by the variance."""
    class_weights: ClassWeightsSpec | None = None
    """Weights of the classes of the label. None: all classes have the weight 1."""
    patience: int = Field(default=2, ge=1)
    """Number of validations without improvement after which training stops. The quotient of perplexity and recall@10
    must improve, or the rmse if the label is a number. The best weights are kept."""
    validations_per_epoch: int = Field(default=1, ge=1)
    """Validations per epoch. A validation uses the full softmax."""
    validation_examples: int = Field(default=16_384, ge=1)
    """Size of the fixed random sample of the eval split that every validation measures."""
    replicas: PositiveInt | Literal["auto"] = "auto"
    """Number of replicas. `auto`: all GPUs, or one CPU if there is no GPU. A number: that many GPUs or, without GPUs,
    that many logical CPU devices."""
    worker_timeout: float = Field(default=60, gt=0)
    """Seconds after which one of several workers that no longer answers counts as lost: it was killed, it hangs, or its
    host or the network is down. The others then end with an error. At the start, workers have five times as long."""
    checkpoint_seconds: float = Field(default=60, gt=0)
    """Seconds between two checkpoints. Each validation saves a checkpoint too. An interrupted training resumes from the
    last checkpoint."""
    warm_start: bool = False
    """Start from the last blessed model that was trained on other data; table rows are transferred by token. Off by
    default, because the result then depends on earlier runs. Rows that an earlier run trained on must not have moved
    to the test split, which happens when `data.splits`, `data.split_by` or the files of a split change."""
    profile_steps: int = Field(default=0, ge=0)
    """Number of steps to profile, soon after the training starts. The profile shows what takes the time of a step, in
    TensorBoard's tab Profile, which needs the extra `profile`. 0: no profile."""
    seed: int = 1
    """Seed of the initial weights and of the random draws in training."""
    top_k: int = Field(default=50, ge=1)
    """Number of most probable labels that the serving signatures return; at most the number of labels."""
    approximate: ApproximateSpec | None = ApproximateSpec()
    """Approximate answers of `serving_default` for many classes. The signatures `predict` and `eval` stay exact, so
    metrics are those of exact answers. None: exact answers."""
    class_table: Literal["float32", "int8"] = "float32"
    """Type of the class vectors in the exported model. `int8`: one byte per number and one factor per class, a quarter
    of the size. All signatures then use these vectors, so the Evaluator measures them."""

    def whole_rows(self, shape: Shape, baskets: bool = False) -> bool:
        """Return True if the encoder processes whole rows, False if it processes windows.

        Args:
            shape: Shape of the data.
            baskets: True if the labels are baskets, which have windows.
        """
        fits = shape == "sequence" and not baskets and self.model.causal
        return self.examples == "rows" or (self.examples == "auto" and fits)
