"""Configuration of the data: the source of the rows and the meaning of their columns."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.ingest.options.baskets import baskets_refused
from components.ingest.options.splits import SPLITS, Amount, SplitSpec, duration
from components.ingest.options.token_features import TokenFeatureSpec, token_features_refused
from components.ingest.sources.base import LabelledLinesSpec
from components.ingest.sources.base import SourceSpec as SourceSpec
from components.ingest.sources.registry import AnySource, source_of, with_label_lists
from components.names import OWN, argument
from components.spec import Spec

Shape = Literal["sequence", "labelled", "events"]
LabelKind = Literal["class", "classes", "number"]
Tokenizer = Literal["words", "whitespace", "characters", "none"]

RESERVED_OUTPUTS = ("labels", "probabilities", "value", "values")
"""Names of the model outputs for the label."""
PROBABILITY = "_probability"
"""Suffix of the model output with the probability of a category target."""


class FeatureSpec(Spec):
    """Column that is a feature, joined with the projected inputs, or a further target."""

    kind: Literal["number", "category"]
    """Type of the column: `number` or `category`."""
    top: int = Field(default=1_000, ge=1)
    """`category` only: number of most frequent values that get their own ids."""
    missing: list[str] | None = None
    """Texts that stand for a missing value in this column. None: the texts of `data.missing`."""
    if_missing: Literal["mean", "value", "drop"] | None = None
    """Meaning of a missing value of a feature. `mean`: the mean of the train split, for a number. `value`: a separate
    value, for a category. `drop`: the row is not used; also allowed for a target. None: `mean` for a number, and for a
    category the id that infrequent values share."""

    @model_validator(mode="after")
    def _missing_fits_kind(self) -> Self:
        wrong = {"number": "value", "category": "mean"}[self.kind]
        if self.if_missing == wrong:
            right = "mean" if wrong == "value" else "value"
            raise ValueError(f"if_missing: '{wrong}' is not for kind '{self.kind}': write '{right}' or 'drop'")
        return self


class DataSpec(Spec):
    """Source of the rows, meaning of their columns, and splits."""

    shape: Shape
    """`sequence`: a row is a sequence of tokens, and every token after the first is a label. `labelled`: a row has
    inputs and one label, or several (`label_kind`). `events`: a row is one event; the events of a group, sorted by time
    and cut into sessions, become a row of shape `sequence`, which is the shape from there on."""
    source: AnySource
    """Source of the rows: its kind, its path, and further keys that depend on the kind."""
    num_spans: int | None = Field(default=None, ge=1)
    """Size of the rolling range: number of newest spans to train on together. Only for a source with spans. None: all
    spans."""
    span: int | str | None = None
    """Newest span to train on, by number or name, such as 194, 1940s or 2026-11-22. None: the newest available span."""
    inputs: list[str] = Field(min_length=1)
    """Columns whose tokens are the inputs, in order. Shape `sequence` takes exactly one column."""
    label: str | None = None
    """Column of the label. Required for shape `labelled`; not allowed for shape `sequence`."""
    label_kind: LabelKind = "class"
    """`class`: a row has one label, an entry of the label vocabulary. `classes`: a row may have several labels: a list,
    a cell with a JSON or Python list, or a cell with `label_separator`. `number`: the label is a number, trained with
    mean squared error. `classes` and `number` are for shape `labelled`; `baskets` sets `classes`. If the key is not
    set, a command looks at the first rows of local files, and sets `classes` if their labels are lists."""
    label_separator: str | None = Field(default=None, min_length=1)
    """Text between the labels in one cell, such as `|` in `python|pandas`. Sets `label_kind: classes`. None: a cell is
    one label, or a list."""
    tokenizer: Tokenizer = "words"
    """Tokenizer for the text of the input columns. `words`: words, runs of digits, and single punctuation marks.
    `whitespace`: the pieces between white space. `characters`: single characters. `none`: the value is one token, or a
    list of tokens."""
    separator: str | None = Field(default=None, min_length=1)
    """With tokenizer `none`: text between the tokens in one cell, such as `|`. A cell with a JSON or Python list, such
    as `['a', 'b']`, then contains the tokens of the list. None: a cell is one token."""
    whole_numbers: bool = False
    """Read a text such as `3.0` as the integer `3` if it is a token, a label class or a category. pandas writes
    integers in this form if the column has missing values. Only with tokenizer `none`."""
    missing: list[str] = []
    """Texts that stand for a missing value, such as `NA`, `-` or `\\N`, in addition to the empty text, null and NaN."""
    lowercase: bool = True
    """Lowercase text before tokenizing it. With tokenizer `none`, values are not changed."""
    features: dict[str, FeatureSpec] = {}
    """Columns that are joined with the projected inputs, by name."""
    token_features: dict[str, TokenFeatureSpec] = {}
    """Columns with one value for each token, by name. The values are joined with the embedding of the token. Only with
    tokenizer `none` and one input column."""
    weight: str | None = None
    """Column with the weight of a row in the training and in the weighted metrics: a number of at least 0. An empty
    value is 1. A row with weight 0 is not trained on. In shape `events`, the weight of the event; in shape `sequence`,
    one number, or a list with one for each token. The weight of a token applies to it as a label. None: all weights
    are 1."""
    baskets: str | None = None
    """Column that divides the tokens of a row into baskets, such as a date or the number of an order. Consecutive
    tokens with equal values form a basket, in which equal tokens count once. The distinct tokens of each basket after
    the first are the labels of an example, and the tokens of the earlier baskets its input. In shape `sequence`, the
    column holds a list with one value for each token; in shape `events`, the value of the event."""
    min_baskets: int = Field(default=2, ge=2)
    """With `baskets`: minimum number of baskets of a row. Rows with fewer are left out."""
    targets: dict[str, FeatureSpec] = {}
    """Further columns that the model predicts in addition to the label, by name: one of the values of a category, or a
    number. A target must not be listed in `inputs` or `features`."""
    group_by: list[str] = []
    """Shape `events`: columns whose values group the events, such as a user id or a session id."""
    order_by: str | None = None
    """Shape `events`: column with the time of an event: a number, an ISO date, or a text in the form `order_format`.
    None: the order of the files and lines."""
    order_format: str | None = None
    """Format of the times in `order_by` for Python's `strptime`, such as `%d/%m/%Y %H:%M`. None: numbers or ISO
    dates."""
    session_gap: Amount | None = None
    """Shape `events`: maximum time between two consecutive events of a row, such as `30m`, `12h`, `7d`, or a number in
    the unit of `order_by`. A longer gap begins a new row. None: a group is one row."""
    min_length: int = Field(default=2, ge=2)
    """Shape `events`: minimum number of tokens of a row. Shorter rows are left out."""
    max_length: int | None = Field(default=1_000, ge=2)
    """Shape `events`: maximum number of tokens of a row. A longer group or session makes several rows. None: no
    limit."""
    slices: list[str] = []
    """Columns to slice the evaluation by. A slice column does not have to be a feature."""
    splits: SplitSpec = SplitSpec()
    """Rule that assigns the rows to the train, eval and test splits."""
    split_by: list[str] = []
    """Columns whose hash determines the split of a row, such as a user id: rows with equal values are in the same
    split. Empty: the tokens for shape `sequence`, all columns for shape `labelled`."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the rows to use, selected by the same hash as the splits. Lower it for a quick look."""
    schema_file: str | None = None
    """Path of the curated `schema.pbtxt`. None: `FILE.schema.pbtxt` next to the configuration `FILE.yaml`, if any.
    Not needed for the default corpus, which comes with a schema."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Maximum share of rows that cannot be read. The run fails if the share is larger."""
    bad_rows_kept: int = Field(default=20, ge=0)
    """Number of bad rows of each kind to keep in the dead-letter file, with file and line."""

    @model_validator(mode="before")
    @classmethod
    def _events_become_sequences(cls, value: Any) -> Any:
        """Convert shape `events` to shape `sequence` with `group_by`, the form that all nodes support."""
        if not isinstance(value, Mapping) or value.get("shape") != "events":
            return value
        # Without a group, the shape stays, and `_events_refused` reports it beside the faults of other keys.
        if value.get("group_by"):
            return {**value, "shape": "sequence"}
        return {key: child for key, child in value.items() if key != "group_by" or child is not None}

    @model_validator(mode="before")
    @classmethod
    def _several_labels(cls, value: Any) -> Any:
        """Set `label_kind: classes` for a separator or baskets, and let the source join the labels of a line."""
        if not isinstance(value, Mapping):
            return value
        if (value.get("label_separator") or value.get("baskets")) is not None and "label_kind" not in value:
            value = {**value, "label_kind": "classes"}
        if value.get("label_kind") == "classes" and "source" in value:
            value = {**value, "source": with_label_lists(value["source"])}
        return value

    @field_validator("group_by", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        """Convert a single column to a list."""
        return [value] if isinstance(value, str) else value

    @field_validator("session_gap")
    @classmethod
    def _gap_is_a_length_of_time(cls, value: Amount | None) -> Amount | None:
        if value is not None:
            duration(value)
        return value

    @field_validator("span", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        """Convert a date to text, because YAML reads 2026-11-22 as a date."""
        return str(value) if isinstance(value, datetime.date) else value

    @model_validator(mode="after")
    def _columns_fit_shape(self) -> Self:
        faults = []
        if not source_of(self.source).has_spans:
            faults += [
                f"data.{key}: the source has no spans: {{SPAN}} in data.source.path, or data.source.spans, makes some"
                for key in ("num_spans", "span")
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
        if self.separator is not None and self.tokenizer != "none":
            faults.append(
                f"data.separator: the tokens of text with tokenizer '{self.tokenizer}' need none: remove it, or set "
                "data.tokenizer: none"
            )
        if self.whole_numbers and self.tokenizer != "none":
            faults.append("data.whole_numbers needs data.tokenizer 'none'")
        if self.label_kind != "class" and self.shape != "labelled" and self.baskets is None:
            faults.append(
                f"data.label_kind '{self.label_kind}' needs shape 'labelled': the labels of a sequence are its tokens"
            )
        if self.label_separator is not None and self.label_kind != "classes":
            faults.append(f"data.label_separator needs data.label_kind 'classes', not '{self.label_kind}'")
        if isinstance(self.source, LabelledLinesSpec):
            several, lists = self.source.several, self.source.several == "list"
            if lists and not self.several_labels:
                faults.append("data.source.several: 'list' needs data.label_kind 'classes'")
            if self.several_labels and not lists:
                faults.append(
                    f"data.source.several: '{several}' leaves one label in a row, and data.label_kind is 'classes': "
                    "remove one of the two keys"
                )
        faults += _events_refused(self)
        faults += token_features_refused(self)
        faults += baskets_refused(self)
        faults += _targets_refused(self)
        faults += _weight_refused(self)
        faults += _splits_refused(self)
        of_rows = [*self.features, *self.targets, *self.slices, *self.splits.columns]
        faults += _names_refused([*taken, *self.token_columns, *of_rows, *self.weights])
        faults += _arguments_refused([*self.inputs, *self.features, *self.token_columns])
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def several_labels(self) -> bool:
        """True if a row may have several labels."""
        return self.label_kind == "classes"

    @property
    def weights(self) -> list[str]:
        """Column of the weights, or an empty list."""
        return [] if self.weight is None else [self.weight]

    @property
    def token_columns(self) -> dict[str, bool]:
        """Columns with one value for each token, by name: token features and baskets. True: texts; False: numbers."""
        features = {name: feature.is_category for name, feature in self.token_features.items()}
        return features if self.baskets is None else {**features, self.baskets: True}

    @property
    def splits_positions(self) -> bool:
        """True if the positions of one row may be in several splits."""
        return self.shape == "sequence" and (self.splits.leave_out is not None or self.splits.by_time is not None)


def _events_refused(data: DataSpec) -> list[str]:
    """Return the faults of the keys of shape `events`."""
    if data.shape == "events":
        return ["shape 'events' needs data.group_by, such as the column of the user or of the session"]
    if not data.group_by:
        keys = ("order_by", "order_format", "session_gap", "min_length", "max_length")
        idle = [key for key in keys if getattr(data, key) != DataSpec.model_fields[key].default]
        return [f"data.{key} is for shape 'events': remove it" for key in idle]
    faults = []
    if data.shape != "sequence":
        faults.append("data.group_by is for shape 'events': remove it")
    if data.order_by is None and (data.session_gap is not None or data.order_format is not None):
        faults.append("data.session_gap and data.order_format need data.order_by, the column of the times")
    if data.splits.by_time not in (None, data.order_by):
        faults.append(f"data.splits.by_time: events have one time, data.order_by: write by_time: {data.order_by}")
    if data.max_length is not None and data.max_length < data.min_length:
        faults.append(f"data.max_length: {data.max_length} is less than data.min_length, {data.min_length}")
    return faults


def _splits_refused(data: DataSpec) -> list[str]:
    """Return the faults of splits that do not fit the shape, the source, or `data.split_by`."""
    splits, files = data.splits, data.source.split_paths
    faults = []
    if splits.leave_out is not None and data.shape != "sequence":
        faults.append("data.splits.leave_out: only the tokens of shape 'sequence' have positions: choose another rule")
    if splits.by_time is not None and source_of(data.source).has_spans:
        faults.append(
            "data.splits.by_time: each span would be split at an end of its own: choose another rule, or name the "
            "files by a pattern without spans"
        )
    if files and splits.form:
        faults.append(f"data.splits.{splits.form}: data.source names the files of each split: remove one of them")
    elif files:
        # If eval has no files, the shares of train and eval cut it from the files of train.
        idle = SPLITS if "eval" in files else ("test",)
        faults += [
            f"data.splits.{name}: data.source names the files of this split: remove its share"
            for name in idle
            if getattr(splits, name) is not None
        ]
    if data.split_by and (splits.form or "eval" in files):
        decides = f"data.splits.{splits.form}" if splits.form else "data.source"
        faults.append(f"data.split_by: {decides} decides the split of a row, not a hash: remove data.split_by")
    return faults


def _targets_refused(data: DataSpec) -> list[str]:
    """Return the faults of further targets: columns with another role, and names of other model outputs."""
    uses = {
        **dict.fromkeys(data.features, "a feature"),
        **dict.fromkeys(data.inputs, "an input"),
        **({data.label: "the label"} if data.label else {}),
    }
    answered = {
        *RESERVED_OUTPUTS,
        *(f"{name}{PROBABILITY}" for name, t in data.targets.items() if t.kind == "category"),
    }
    faults = [
        f"data.targets: column '{name}' is also {uses[name]}: a further target is neither"
        for name in data.targets
        if name in uses
    ]
    faults += [
        f"data.targets.{name}.if_missing: a target that is missing is not learned: remove it, or write 'drop'"
        for name, target in data.targets.items()
        if target.if_missing not in (None, "drop")
    ]
    return faults + [
        f"data.targets: an answer of the model has an output '{name}' already: rename the column"
        for name in data.targets
        if name in answered
    ]


def _weight_refused(data: DataSpec) -> list[str]:
    """Return the faults of the column of the weights."""
    uses = {
        **dict.fromkeys(data.slices, "a slice"),
        **dict.fromkeys(data.token_features, "a token feature"),
        **dict.fromkeys(data.targets, "a target"),
        **dict.fromkeys(data.features, "a feature"),
        **dict.fromkeys(data.inputs, "an input"),
        **({data.label: "the label"} if data.label else {}),
    }
    return [
        f"data.weight: column '{name}' is also {uses[name]}: copy the column under another name, or remove one"
        for name in data.weights
        if name in uses
    ]


def _names_refused(names: Iterable[str]) -> list[str]:
    """Return the faults of column names: empty names, and names reserved for the pipeline."""
    names = dict.fromkeys(names)
    faults = [f"column {name!r}: names that begin with '{OWN}' are the pipeline's own; rename it"
              for name in names if name.startswith(OWN)]  # fmt: skip
    return ["a column's name is empty: give the column a name, in the rows too"] * ("" in names) + faults


def _arguments_refused(names: Iterable[str]) -> list[str]:
    """Return the faults of columns that cannot be arguments of the `predict` signature of the exported model."""
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
