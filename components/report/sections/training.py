"""Section of the summary about a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from components.metrics.definitions import Kind, Place
from components.metrics.table import BY_NAME, shown
from components.report.sections.measures import Approximate, ClassTable, LabelCalibration, SummarySection, finite

_TRAINING_FACTS = (
    "validation_examples", "parameters", "devices", "stopped_early", "resumed", "warm_start", "mixture", "calibration",
    "label_calibration", "class_table", "approximate",
)  # fmt: skip


class Validation(SummarySection):
    """One validation during training, over the eval split or the sample of it that training validates on.

    Extra fields hold the label's metrics that the table places in the history of a training, and a user's own metrics.
    The metrics of a class are always present, and None if the label is a number.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]  # pyright: ignore[reportIncompatibleVariableOverride]
    left_out = ("targets",)

    epoch: float
    """Passes over the train split so far."""
    step: int
    train_loss: float | None
    """Nats. The sampled loss, not comparable with nll. With further targets or a number, the sum of all losses."""
    targets: dict[str, float | None] = {}
    """Metrics of the further targets, such as `party_accuracy` and `year_rmse`."""
    seconds: float
    """Wall time of training since the previous validation, without the validation itself."""
    validation_seconds: float | None = None
    examples_per_second: float | None = None
    learning_rate: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_metrics(cls, values: Any) -> Any:
        return dict.fromkeys(history("label")) | dict(values) if isinstance(values, Mapping) else values

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        classes = history("label")
        measured = {name: v for name, v in (self.model_extra or {}).items() if v is not None or name in classes}
        rest = {name: value for name, value in handler(self).items() if name not in (self.model_extra or {})}
        first = {name: rest.pop(name) for name in ("epoch", "step", "train_loss")}
        return {**first, **measured, **{name: v for name, v in rest.items() if v or name not in self.left_out}}


class Tokens(SummarySection):
    """Comparison of a vocabulary with that of the model which the training started from."""

    stayed: int = Field(ge=0)
    came: int = Field(ge=0)
    went: int = Field(ge=0)


class WarmStart(SummarySection):
    """State that a training took from an earlier model."""

    model: str
    """Number of the earlier model."""
    taken: int = Field(ge=0)
    """Number of weights taken, whole or by token."""
    fresh: list[str] = []
    """A sentence for each weight that was not taken."""
    optimizer: bool
    """True if the moments and the step count of the optimizer were taken too."""
    vocabularies: dict[str, Tokens] = {}


class NgramCounts(SummarySection):
    """Size of the n-gram counts in a model, and the share of the model beside them."""

    order: int
    """Tokens of the longest n-gram."""
    ngrams: dict[str, int]
    """Number of n-grams by length."""
    bytes: int
    """Size of the counts in the exported model."""
    mean_gate: float | None = None
    """Mean share of the model in the mixture, over a sample of the eval split."""
    cache: int = 0
    """Number of tokens before a label that the cache reads; 0 without a cache."""
    mean_cache: float | None = None
    """Mean share of the cache in the mixture, over the same sample."""
    pairs: int = 0
    """Number of kept pairs of a token and a label in the same row; 0 if they are not counted."""
    mean_pairs: float | None = None
    """Mean share of the pairs in the mixture, over the same sample."""


class Training(SummarySection):
    """Validations of a training, and facts about the trained model."""

    left_out = ("label_calibration", "class_table", "approximate")

    history: list[Validation] = []
    best: int | None = None
    """Index in `history` of the validation whose weights were kept."""
    validation_examples: int | None = None
    """Number of labels of the eval split in a validation, or all of them if the split has fewer."""
    parameters: int | None = None
    devices: str | None = None
    stopped_early: bool | None = None
    resumed: bool | None = None
    warm_start: WarmStart | None = None
    mixture: NgramCounts | None = None
    """N-gram counts that the model is mixed with."""
    calibration: dict[str, float] | None = None
    """Factor of the logits of each further target that is a category, fitted on the eval split, by column. 1 leaves the
    model as it is; 0 leaves the frequencies of the categories."""
    label_calibration: LabelCalibration | None = None
    """Temperature of the label, fitted on the eval split. None: the label is a number, or an earlier version trained
    the model."""
    class_table: ClassTable | None = None
    """int8 class vectors (`trainer.class_table`). None: float32."""
    approximate: Approximate | None = None
    """Approximate answers (`trainer.approximate`). None: not configured, or too few classes."""


def training_section(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a summary that come from the Trainer's `training.json`.

    Returns:
        The fields of `Training`.
    """
    validations: Sequence[Mapping[str, Any]] = training["validations"]
    best = training.get("best")
    measured = training.get("measured", [*_placed("label", "validation"), *_placed("number", "validation")])
    shown = {*history("label"), *history("several"), *history("number")}
    kept = [name for name in measured if name in shown or name not in BY_NAME]
    facts = [name for name in Validation.model_fields if name != "targets"]
    return {
        "history": [
            {
                **finite({name: entry.get(name) for name in facts}),
                **finite({name: entry[name] for name in kept if name in entry}),
                "targets": finite({n: value for n, value in entry.items() if n not in facts and n not in measured}),
            }
            for entry in validations
        ],
        "best": next((i for i, entry in enumerate(validations) if best and entry["step"] == best["step"]), None),
        **{name: training.get(name) for name in _TRAINING_FACTS},
    }


def history(kind: Kind) -> list[str]:
    """Return the names of the label's metrics in the history of a training."""
    return _placed(kind, "history")


def _placed(kind: Kind, place: Place) -> list[str]:
    return [column.name for column in shown(kind, place)]
