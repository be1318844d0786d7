"""Configuration of the data: the source of rows, and the meaning of their columns."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.ingest.sources.base import SourceSpec as SourceSpec
from components.ingest.sources.registry import AnySource, source_of
from components.names import OWN, argument
from components.spec import Spec

Shape = Literal["sequence", "labelled"]
LabelKind = Literal["class", "number"]
Tokenizer = Literal["words", "whitespace", "characters", "none"]

RESERVED_OUTPUTS = ("labels", "probabilities", "value", "values")
"""Names of what a model answers about the label."""
PROBABILITY = "_probability"
"""After the name of a category target: its probability, in an answer."""


class FeatureSpec(Spec):
    """Column that joins the projected inputs, or a further target."""

    kind: Literal["number", "category"]
    top: int = Field(default=1_000, ge=1)
    """`category` only: how many of the most frequent values get an id of their own."""


class SplitSpec(Spec):
    """Shares of the rows, as whole parts of their sum. A row's split follows from a hash: see `data.split_by`."""

    train: int = Field(default=90, ge=1)
    eval: int = Field(default=5, ge=1)
    test: int = Field(default=5, ge=1)


class DataSpec(Spec):
    shape: Shape
    """`sequence`: every token after the first is a label. `labelled`: a row has inputs and one label."""
    source: AnySource
    window: int | None = Field(default=None, ge=1)
    """Of a source with spans: how many of the newest train together. None: all."""
    span: int | str | None = None
    """The newest span to train on, by number or name, as 194, 1940s or 2026-11-22. None: the newest that is there."""
    inputs: list[str] = Field(min_length=1)
    """Columns whose tokens are the inputs, in order. Shape `sequence` has exactly one."""
    label: str | None = None
    """Shape `labelled`: the column of the label."""
    label_kind: LabelKind = "class"
    """`class`: the label is an entry of a vocabulary. `number`, in shape `labelled` only: a number, learnt by mean
    squared error."""
    tokenizer: Tokenizer = "words"
    """How the text of an input column becomes tokens. `none`: the value is one token, or a list of tokens."""
    lowercase: bool = True
    """Lower-case text before it is cut into tokens. Values of tokenizer `none` are left as they are."""
    features: dict[str, FeatureSpec] = {}
    targets: dict[str, FeatureSpec] = {}
    """Columns of the row that are answered beside the label: a category is one of its values, a number is a number. A
    target is no input: it stands neither in `inputs` nor in `features`."""
    slices: list[str] = []
    """Columns that evaluation is sliced by; a column need not be a feature."""
    splits: SplitSpec = SplitSpec()
    split_by: list[str] = []
    """Columns, such as a user, that decide a row's split: rows that agree in them stay together. By default these are
    the tokens of a sequence, and all columns of a labelled row."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the rows that is taken, chosen by the same hash as the splits: less for a quick look."""
    schema_file: str | None = None
    """The curated `schema.pbtxt`. Not needed with the default corpus, which brings its own."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """The run fails when a larger share of the rows cannot be read."""
    bad_rows_kept: int = Field(default=20, ge=0)
    """How many bad rows of each kind are kept, with file and line, in the dead-letter file."""

    @field_validator("span", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        """Return a day as text: YAML reads 2026-11-22 as a date."""
        return str(value) if isinstance(value, datetime.date) else value

    @model_validator(mode="after")
    def _columns_fit_shape(self) -> Self:
        faults = []
        if not source_of(self.source).has_spans:
            faults += [
                f"data.{key}: the source has no spans: {{SPAN}} in data.source.path, or data.source.spans, makes some"
                for key in ("window", "span")
                if getattr(self, key) is not None
            ]
        if self.shape == "sequence" and len(self.inputs) != 1:
            faults.append("shape 'sequence' takes exactly one column in data.inputs")
        if self.shape == "sequence" and self.label is not None:
            faults.append("shape 'sequence' takes its labels from data.inputs: remove data.label")
        if self.shape == "labelled" and not self.label:
            faults.append("shape 'labelled' needs data.label")
        taken = [*self.inputs, *([self.label] if self.label else [])]
        faults += [f"column '{c}' is both an input or label and a feature" for c in self.features if c in taken]
        if len(set(taken)) != len(taken):
            faults.append("a column stands twice in data.inputs and data.label")
        if self.label_kind == "number" and self.shape != "labelled":
            faults.append("data.label_kind 'number' needs shape 'labelled': the labels of a sequence are its tokens")
        faults += _targets_refused(self)
        faults += _names_refused([*taken, *self.features, *self.targets, *self.slices])
        faults += _arguments_refused([*self.inputs, *self.features])
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _targets_refused(data: DataSpec) -> list[str]:
    """Return the faults of further targets: other uses of their columns, and names that an answer has already."""
    uses = {
        **dict.fromkeys(data.features, "a feature"),
        **dict.fromkeys(data.inputs, "an input"),
        **({data.label: "the label"} if data.label else {}),
    }
    answered = {
        *RESERVED_OUTPUTS,
        *(f"{name}{PROBABILITY}" for name, t in data.targets.items() if t.kind == "category"),
    }
    told = [
        f"data.targets: column '{name}' is also {uses[name]}: a further target is neither"
        for name in data.targets
        if name in uses
    ]
    return told + [
        f"data.targets: an answer of the model has an output '{name}' already: rename the column"
        for name in data.targets
        if name in answered
    ]


def _names_refused(names: Iterable[str]) -> list[str]:
    """Return the faults of columns that no row, or a row of the pipeline's own, could have."""
    names = dict.fromkeys(names)
    faults = [f"column {name!r}: names that begin with '{OWN}' are the pipeline's own; rename it"
              for name in names if name.startswith(OWN)]  # fmt: skip
    return ["a column's name is empty: give the column a name, in the rows too"] * ("" in names) + faults


def _arguments_refused(names: Iterable[str]) -> list[str]:
    """Return the faults of columns that cannot be arguments of the exported model's signature `predict`."""
    faults: list[str] = []
    by_argument: dict[str, str] = {}
    for name in dict.fromkeys(names):
        twin = by_argument.setdefault(argument(name), name)
        if name == "self":
            faults.append(
                "column 'self' cannot be an argument of a served model: Python takes it for another; rename it"
            )
        if twin != name:
            faults.append(
                f"columns {twin!r} and {name!r} are one argument, {argument(name)!r}, of a served model: TensorFlow "
                "replaces all but letters and digits by '_'; rename one of them"
            )
    return faults
