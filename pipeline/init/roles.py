"""Choice of the shape of the data and the role of each column, with reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.ingest.options.splits import SPLITS
from components.ingest.rows.assignment import SYNONYMS
from components.ingest.sources.base import Row
from pipeline.init.profile import Profile, separator_of_labels
from pipeline.init.sampling import Sample

_LABEL = r"label|target|class|y|bought|purchased|answer|outcome|intent|sentiment|species"
_MAYBE_LABEL = rf"{_LABEL}|category|next|tag|rating|type"
_LABELS = rf"{_LABEL}|labels|tags|classes|targets|categories|topics|genres"
_GROUP = r"user|session|customer|visitor|client|account|member|basket|order|cart|device|person|player|patient"
_ITEM = r"item|product|sku|article|movie|film|track|song|artist|page|url|event|action|query|asin|isbn|book|video|code"
_ID = r"(^|[_ .-])(id|uuid|guid|key|index|nr|no|number)$|Id$|ID$|^id"
_IDENTIFIER = 0.95
_OVERLAP = 0.5
"""Minimum share of the values of one column in another for both to be columns of the same tokens."""
_FEW, _MANY = 50, 1_000
_FEW_ROWS = 0.01
"""Share of the rows that may be left out without a note."""
_SIZES = (1_000, 10_000, 25_000, 100_000)


@dataclass
class Choice:
    """Keys of the configuration of the data, with reasons.

    Attributes:
        data: Keys under `data`, without the source.
        vocabulary: Keys under `vocabulary`.
        reasons: Reason for each key or column, in words.
        left_out: Reason for each column that is not used.
        unsure: Lines on choices that the user should check.
        advice: Lines on further keys that the user may want to set.
    """

    data: dict[str, Any] = field(default_factory=dict)
    vocabulary: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)


def choose(sample: Sample, columns: Mapping[str, Profile]) -> Choice:
    """Return the shape and the roles that the columns suggest."""
    choice = Choice()
    if sample.source.kind in _FIXED:
        _choose_fixed(choice, sample.source.kind, columns)
        return choice
    useful = {name: profile for name, profile in columns.items() if not _useless(profile, choice)}
    times = {name: form for name, profile in useful.items() if (form := profile.time_form()) is not None}
    split = next((name for name, profile in useful.items() if _names_splits(profile)), None)
    rest = {name: profile for name, profile in useful.items() if name not in times and name != split}
    named = sample.has_names
    found = _events(rest, times) if named else _events_by_values(rest, times)
    if found and _named(useful, _LABEL, rest) is None:
        group, item = found
        if not named:
            choice.unsure.append(f"the rows look like events: '{group}' as the group, '{item}' as the item")
        _choose_events(choice, sample.rows, rest, group, item, times)
    else:
        label = _label(rest) or _label_of_lists(rest)
        _doubt_label(choice, label, rest, columns)
        if label is None:
            _choose_sequence(choice, rest)
        else:
            _choose_labelled(choice, rest, label)
    _common(choice, sample, columns, times, split)
    return choice


_FIXED = {"fasttext": ("text", "words"), "svmlight": ("tokens", "none")}
"""Kinds of sources with fixed columns: the input column and its tokenizer, by kind."""


def _choose_fixed(choice: Choice, kind: str, columns: Mapping[str, Profile]) -> None:
    inputs, tokenizer = _FIXED[kind]
    choice.data |= {"shape": "labelled", "inputs": [inputs], "label": "label", "tokenizer": tokenizer}
    choice.reasons["shape"] = f"kind {kind} has labels"
    choice.reasons["inputs"] = _description(columns[inputs])
    choice.reasons["label"] = f"{columns['label'].distinct:,} distinct values"
    if several := columns["labels"].lists:
        choice.data["label_kind"] = "classes"
        choice.reasons["label_kind"] = _several(several, columns["labels"])


def _share(values: set[str], known: set[str]) -> float:
    return len(values & known) / max(len(values), 1)


def _useless(profile: Profile, choice: Choice) -> bool:
    """Return True if a column is useless, and record the reason."""
    if profile.filled == 0:
        choice.left_out[profile.name] = (
            "no value" if not profile.refused else "its values are objects: use a key of these, such as column.key"
        )
    elif not profile.is_list and profile.distinct == 1:
        choice.left_out[profile.name] = f"always {next(iter(profile.texts))!r}"
    return profile.name in choice.left_out


def _is_identifier(profile: Profile) -> bool:
    one_word = profile.mean_words < 1.5 and not profile.is_list
    return one_word and profile.rows >= _FEW and profile.distinct_share >= _IDENTIFIER


def _events(rest: Mapping[str, Profile], times: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the columns of the group and the item if the rows are events."""
    groups = [
        name
        for name, profile in rest.items()
        if re.search(_GROUP, name, re.IGNORECASE) and profile.distinct_share < 0.7 and profile.distinct > 1
    ]
    items = [
        name
        for name, profile in rest.items()
        if re.search(_ITEM, name, re.IGNORECASE) and name not in groups and not profile.is_list and profile.distinct > 2
    ]
    if not groups or not items or not (times or len(rest) <= 3):
        return None
    # A session is a narrower group than a user. The item is the column that ends in id, not its name or category.
    group = max(groups, key=lambda name: ("session" in name.lower(), rest[name].distinct))
    return group, max(items, key=lambda name: (bool(re.search(_ID, name)), rest[name].distinct))


def _events_by_values(rest: Mapping[str, Profile], times: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the columns of the group and the item among columns without names: the first two with repeated values."""
    repeated = [
        name
        for name, profile in rest.items()
        if profile.distinct_share < 0.7 and profile.distinct > 5 and not profile.is_list and not profile.is_text
    ]
    return (repeated[0], repeated[1]) if times and len(repeated) > 1 else None


def _label(rest: Mapping[str, Profile]) -> str | None:
    """Return the column that is most likely the label, or None if only one column is useful."""
    candidates = {name: p for name, p in rest.items() if not _is_identifier(p) and not p.is_list}
    named = _named(candidates, _LABEL, candidates) or _named(candidates, _MAYBE_LABEL, candidates)
    if named is not None:
        return named
    classes = [n for n, p in candidates.items() if 2 <= p.distinct <= 0.5 * p.filled and not p.is_text]
    return classes[-1] if classes and len(rest) > 1 else None


def _label_of_lists(rest: Mapping[str, Profile]) -> str | None:
    """Return a column of lists with the name of a label, if other columns can be the inputs.

    Without other columns, the column is a sequence.
    """
    named = _named({name: profile for name, profile in rest.items() if profile.is_list}, _LABELS, rest)
    return named if any(p.is_list or p.is_text for name, p in rest.items() if name != named) else None


def _doubt_label(
    choice: Choice, label: str | None, rest: Mapping[str, Profile], columns: Mapping[str, Profile]
) -> None:
    """Record columns that have the name of a label but are not the label."""
    for name, profile in columns.items():
        if name == label or not re.fullmatch(_LABEL, name, re.IGNORECASE):
            continue
        if profile.distinct == 1 and not profile.is_list:
            choice.unsure.append(f"'{name}' is named like a label, but has one class, {next(iter(profile.values))!r}")
        elif name in rest and label is not None and re.fullmatch(_LABEL, label, re.IGNORECASE):
            choice.unsure.append(f"the label: '{name}' is named like one too")


def _named(columns: Mapping[str, Profile], pattern: str, of: Mapping[str, Profile]) -> str | None:
    return next((name for name in columns if name in of and re.fullmatch(pattern, name, re.IGNORECASE)), None)


def _choose_events(
    choice: Choice,
    rows: Sequence[Row],
    rest: Mapping[str, Profile],
    group: str,
    item: str,
    times: Mapping[str, str],
) -> None:
    profile = rest[group]
    each = profile.filled / profile.distinct
    choice.data |= {"shape": "events", "group_by": group}
    choice.reasons["shape"] = f"a row is one event, {each:.1f} of them for each {group} in the sample"
    if times:
        order, form = next(iter(times.items()))
        choice.data["order_by"] = order
        if form:
            choice.data["order_format"] = form
            choice.unsure.append(f"the form of the times in '{order}': {form}")
        if "session" not in group.lower() and (not form or "%H" in form):
            choice.advice.append("session_gap: 30m would begin a new row after a pause of half an hour")
    else:
        choice.unsure.append("there is no column with the time of an event: the order of the lines counts")
    choice.data["inputs"] = [item]
    choice.reasons["inputs"] = f"{rest[item].distinct:,} distinct values"
    changing = {name for name in rest if name not in (group, item) and not _constant(rows, group, name)}
    choice.left_out |= dict.fromkeys(changing, f"differs between the events of a {group}")
    _features(choice, rest, {group, item, *changing})
    _tokens_of(choice, [rest[item]])


def _constant(rows: Sequence[Row], group: str, name: str) -> bool:
    """Return True if nearly all rows of a group have the same value in a column."""
    first: dict[str, str] = {}
    same = 0
    for row in rows:
        value = str(row.get(name))
        same += first.setdefault(str(row.get(group)), value) == value
    return same >= _IDENTIFIER * len(rows)


def _choose_sequence(choice: Choice, rest: Mapping[str, Profile]) -> None:
    usable = {name: p for name, p in rest.items() if p.is_list or p.is_text} or dict(rest)
    if not usable:
        choice.unsure.append("no column can be learned from")
        usable = {}
    inputs = max(usable, key=lambda name: (usable[name].is_list, usable[name].words), default="")
    choice.data |= {"shape": "sequence", "inputs": [inputs]}
    choice.reasons["shape"] = "no column looks like a label: each token is predicted from those before it"
    if inputs:
        choice.reasons["inputs"] = _description(rest[inputs])
        _tokens_of(choice, [rest[inputs]])
    _features(choice, rest, {inputs})


def _choose_labelled(choice: Choice, rest: Mapping[str, Profile], label: str) -> None:
    profile = rest[label]
    others = {name: p for name, p in rest.items() if name != label and not _is_identifier(p)}
    texts = [name for name, p in others.items() if p.is_text]
    lists = [name for name, p in others.items() if p.is_list]
    tokens = [name for name, p in others.items() if not p.is_number and name not in (*texts, *lists)]
    inputs = lists or texts or [n for n in tokens if others[n].distinct > _FEW] or tokens
    if inputs is not texts:
        known = set().union(*(others[name].values for name in inputs))
        inputs = [n for n in others if n in inputs or (n in tokens and _share(others[n].values, known) >= _OVERLAP)]
    if not inputs:  # Without tokens, integers may be codes.
        inputs = [name for name, p in others.items() if p.is_integer and p.distinct_share < 0.5][:10]
    if inputs and not lists and not texts:
        inputs = _with_full_column(inputs, tokens, others)
    choice.data |= {"shape": "labelled", "inputs": inputs, "label": label}
    _choose_label_kind(choice, profile)
    if not re.fullmatch(rf"{_MAYBE_LABEL}|{_LABELS}", label, re.IGNORECASE):
        choice.unsure.append(f"the label: '{label}' is the last column with few distinct values")
    several = choice.data.get("label_kind") == "classes"
    choice.reasons["shape"] = "a row has inputs and " + ("labels" if several else "one label")
    if inputs:
        choice.reasons["inputs"] = "; ".join(f"{name}: {_description(others[name])}" for name in inputs)
        without = min(others[name].rows - others[name].filled for name in inputs)
        if without > _FEW_ROWS * profile.rows:
            columns = " and ".join(f"'{name}'" for name in inputs)
            choice.unsure.append(
                f"up to {without:,} of {profile.rows:,} rows have no value in {columns}, and are left out"
            )
    else:
        choice.unsure.append("no column looks like inputs: write their names")
    _tokens_of(choice, [others[name] for name in inputs])
    _features(choice, rest, {label, *inputs})
    groups = [n for n, p in rest.items() if n not in (label, *inputs) and re.search(_GROUP, n, re.IGNORECASE)]
    grouped = next((name for name in groups if 1 < rest[name].distinct <= 0.7 * rest[name].filled), None)
    if grouped:
        choice.data["split_by"] = [grouped]
        features = choice.data.pop("features", {})
        features.pop(grouped, None)
        choice.data |= {"features": features} if features else {}
        choice.reasons["split_by"] = f"all rows of a {grouped} are in the same split"


def _choose_label_kind(choice: Choice, profile: Profile) -> None:
    """Choose the kind of the label, and the separator of several labels in one cell."""
    separator = profile.separator if profile.is_list and not profile.literal else separator_of_labels(profile)
    if profile.lists or separator:
        choice.data["label_kind"] = "classes"
        if separator:
            choice.data["label_separator"] = separator
            choice.reasons["label_separator"] = "stands between the labels of a cell"
        several = profile.lists or sum(n for text, n in profile.texts.items() if separator and separator in text)
        choice.reasons["label_kind"] = _several(several, profile)
        choice.reasons["label"] = _description(profile) if profile.is_list else f"{profile.distinct:,} distinct values"
    elif profile.is_number and (not profile.is_integer or profile.distinct_share > 0.5):
        choice.data["label_kind"] = "number"
        choice.reasons["label"] = f"numbers, {profile.distinct:,} distinct ones"
        choice.unsure.append(f"'{profile.name}' holds numbers: remove label_kind if they are classes")
    else:
        choice.reasons["label"] = f"{profile.distinct:,} distinct values"


def _several(number: int, profile: Profile) -> str:
    return f"{number:,} of {profile.filled:,} rows have several labels"


def _with_full_column(inputs: list[str], tokens: list[str], others: Mapping[str, Profile]) -> list[str]:
    """Return the inputs with one more column if some rows might have no value in any of them.

    A row without a token is left out. The added column has tokens in every row.
    """
    if any(others[name].filled == others[name].rows for name in inputs):
        return inputs
    full = [name for name in tokens if others[name].filled == others[name].rows]
    added = max(full, key=lambda name: others[name].distinct, default=None)
    return [name for name in others if name in inputs or name == added]


def _features(choice: Choice, rest: Mapping[str, Profile], taken: set[str]) -> None:
    """Choose the features among the columns that have no other role."""
    features: dict[str, dict[str, Any]] = {}
    for name, profile in rest.items():
        if name in taken:
            continue
        if _is_identifier(profile) and not (profile.is_number and not profile.is_integer):
            choice.left_out[name] = f"{profile.distinct_share:.0%} distinct: an identifier"
        elif profile.is_list or profile.is_text:
            choice.left_out[name] = f"{_description(profile)}: add it to inputs if it says something about the label"
        elif profile.is_number and not (re.search(_ID, name) and profile.is_integer):
            features[name] = {"kind": "number"}
            choice.reasons[f"features.{name}"] = "numbers"
        else:
            features[name] = {"kind": "category"}
            if profile.distinct > _MANY:
                features[name]["top"] = _MANY
            choice.reasons[f"features.{name}"] = f"{profile.distinct:,} distinct values"
    if features:
        choice.data["features"] = features


def _tokens_of(choice: Choice, inputs: Sequence[Profile]) -> None:
    """Choose the tokenizer, the separator and the sizes of the vocabularies for the input columns."""
    if not inputs:
        return
    if any(profile.is_text for profile in inputs):
        choice.data["tokenizer"] = "words"
        choice.reasons["tokenizer"] = "texts of words"
        return
    choice.data["tokenizer"] = "none"
    choice.reasons["tokenizer"] = "a value is a token"
    separators = {profile.separator for profile in inputs if profile.separator and not profile.literal}
    if separators or any(profile.literal for profile in inputs):
        choice.data["separator"] = min(separators, default=",")
        choice.reasons["separator"] = "cells hold lists"
        if len(separators) > 1:
            choice.unsure.append(f"the lists have several separators: {' and '.join(sorted(separators))}")
    if any(profile.whole > 0.9 * profile.filled for profile in inputs):
        choice.data["whole_numbers"] = True
        choice.reasons["whole_numbers"] = "integers are written as 3.0"
    distinct = max(len(profile.tokens) or profile.distinct for profile in inputs)
    shares = max(inputs, key=lambda profile: len(profile.tokens) or profile.distinct).coverage(_SIZES)
    if distinct > _SIZES[1]:
        size = next((size for size in _SIZES if shares[size] >= 0.99), _SIZES[-1])
        choice.vocabulary["inputs"] = size
        covered = ", ".join(f"{size:,} cover {share:.1%}" for size, share in shares.items())
        choice.reasons["vocabulary"] = f"of the tokens in the sample, the most frequent {covered}"


def _common(
    choice: Choice, sample: Sample, columns: Mapping[str, Profile], times: Mapping[str, str], split: str | None
) -> None:
    """Choose the splits and the texts of missing values, and record unused times."""
    data = choice.data
    if split:
        data["splits"] = {"column": split}
        choice.reasons["splits"] = f"the column names them: {', '.join(sorted(columns[split].texts))}"
    elif data["shape"] == "labelled" and times:
        by_time = f"{{by_time: {next(iter(times))}, eval: 7d, test: 7d}}"
        choice.advice.append(f"splits: {by_time} would test on the latest rows")
    for name in times:
        if name != data.get("order_by"):
            choice.left_out[name] = "times" + (": see splits" if data["shape"] == "labelled" else "")
    used = {*data["inputs"], data.get("label"), *data.get("features", {})}
    markers = sorted({marker for name, p in columns.items() if name in used for marker in p.markers})
    if markers:
        data["missing"] = markers
        choice.reasons["missing"] = "texts that seem to stand for missing values"
    if not sample.complete:
        choice.unsure.append(f"only {len(sample.rows):,} rows were read")


def _names_splits(profile: Profile) -> bool:
    values = {text.strip().lower() for text in profile.texts}
    named = {SYNONYMS.get(value, value) for value in values}
    return named == set(SPLITS)


def _description(profile: Profile) -> str:
    if profile.is_list:
        mean = profile.tokens.total() / max(profile.filled, 1)
        return f"lists of {mean:.1f} tokens, {len(profile.tokens):,} distinct"
    if profile.is_text:
        return f"texts of {profile.mean_words:.0f} words"
    return f"{profile.distinct:,} distinct values"
