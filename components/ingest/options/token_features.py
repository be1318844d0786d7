"""Configuration of the token features: columns with one value for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from components.spec import Spec

if TYPE_CHECKING:  # The data specification contains this one.
    from components.ingest.spec import DataSpec


class TokenFeatureSpec(Spec):
    """Feature of the tokens, joined with the embedding of each token before the projection."""

    kind: Literal["number", "category", "elapsed"]
    """`number` or `category`: type of the values of a column. In shape `events`, the column holds the value of the
    event. In the other shapes, it holds a list that is as long as the list of tokens. `elapsed`, shape `events` only:
    the time since the previous event of the row, 0 for the first event, in seconds for dates and in the unit of
    `order_by` for numbers. Its key is a name of your choice, and no column. The model gets log(1 + elapsed)."""
    top: int = Field(default=1_000, ge=1)
    """`category` only: number of most frequent values that get their own ids."""
    missing: list[str] | None = None
    """Texts that stand for a missing value in this column. None: the texts of `data.missing`."""
    if_missing: Literal["mean", "value"] | None = None
    """Meaning of a missing value. `mean`: the mean of the train split, for a number. `value`: a separate value, for a
    category. None: `mean` for a number, and for a category the id that infrequent values share."""

    @model_validator(mode="after")
    def _missing_fits_kind(self) -> Self:
        right = "value" if self.kind == "category" else "mean"
        if self.if_missing not in (None, right):
            raise ValueError(f"if_missing: '{self.if_missing}' is not for kind '{self.kind}': write '{right}'")
        return self

    @property
    def is_category(self) -> bool:
        """True for values that get ids; False for numbers."""
        return self.kind == "category"


def elapsed(features: dict[str, TokenFeatureSpec]) -> list[str]:
    """Return the names of the features that are computed from the times of the events."""
    return [name for name, feature in features.items() if feature.kind == "elapsed"]


def token_features_refused(data: DataSpec) -> list[str]:
    """Return the faults of the token features."""
    if not data.token_features:
        return []
    faults = []
    if data.tokenizer != "none":
        faults.append(
            f"data.token_features: tokenizer '{data.tokenizer}' splits a text into tokens, so that a column cannot "
            "have a value for each of them: set data.tokenizer: none, or remove data.token_features"
        )
    if data.shape == "labelled" and len(data.inputs) > 1:
        faults.append(
            f"data.token_features: the values belong to the tokens of ONE column, and data.inputs names "
            f"{len(data.inputs)}: join their tokens into one list, or write a column of one value as data.features"
        )
    uses = {
        **dict.fromkeys([*data.group_by, *data.split_by, *data.splits.columns], "the group or the split of a row"),
        **dict.fromkeys(data.slices, "a slice"),
        **dict.fromkeys(data.targets, "a target"),
        **dict.fromkeys(data.features, "a feature of the whole row"),
        **dict.fromkeys(data.inputs, "an input"),
        **({data.label: "the label"} if data.label else {}),
    }
    faults += [
        f"data.token_features: column '{name}' is {uses[name]}: copy the column under another name, or remove one"
        for name in data.token_features
        if name in uses
    ]
    for name in elapsed(data.token_features):
        key = f"data.token_features.{name}: kind 'elapsed'"
        if not data.group_by and data.shape != "events":
            faults.append(f"{key} needs the times of shape 'events': write kind 'number' for a column of lists")
        elif data.group_by and data.order_by is None:
            faults.append(f"{key} needs data.order_by, the column of the times")
    return faults
