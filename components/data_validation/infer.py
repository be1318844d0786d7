"""Inference of a first schema for a user's own data, from its statistics and its configuration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.compat.tfdv import tfdv
from components.data_validation import chance
from components.data_validation.drift import distances, drift
from components.data_validation.header import SCHEMA_HEADER
from components.data_validation.statistics import SPLITS, split_statistics
from components.ingest.rows.columns import columns_of
from components.ingest.spec import DataSpec

_KNOWN_SHARE = 0.95


class NoValues(ValueError):
    """Error for a column that is empty in all rows, so that nothing can be inferred about it."""


def infer_schema(statistics_uri: str, data: DataSpec, earlier: Sequence[str] = ()) -> schema_pb2.Schema:
    """Infer a schema from the train split with TFDV, and adapt it to the configuration.

    Tokens and labels get no list of known values. Each run counts the vocabularies afresh, and new values are the
    reason to train again. Labels and the tokens of sequences are required, and get skew and drift comparators.

    A category with few values keeps the list of its values. A twentieth of the rows may have other values.

    The distance between splits may be as large as chance explains, or twice the present distance. Chance alone is too
    strict for equal rows, and for rows that `data.split_by` keeps together: they are fewer observations than rows.

    With spans, the schema allows all values of any span, and twice the greatest drift between neighbors. Each feature
    has the tag `chance.BY_ROWS`, so that ExampleValidator allows for other numbers of rows.

    Args:
        statistics_uri: URI of the statistics artifact. With spans, that of the newest span.
        data: Meaning of the columns.
        earlier: URIs of the statistics artifacts of earlier spans, oldest first.

    Raises:
        FileNotFoundError: A split has no statistics.
        NoValues: A column that the configuration names has no value in the train split.
    """
    splits = {split: split_statistics(statistics_uri, split) for split in SPLITS}
    inferred = tfdv.infer_schema(
        statistics_pb2.DatasetFeatureStatisticsList(datasets=[splits["train"]]), infer_feature_shape=False
    )
    for uri in earlier:
        train = statistics_pb2.DatasetFeatureStatisticsList(datasets=[split_statistics(uri, "train")])
        inferred = tfdv.update_schema(inferred, train)
    found = {feature.name: feature for feature in inferred.feature}
    missing = [name for name in columns_of(data) if name not in found]
    if missing:
        columns = ", ".join(map(repr, missing))
        raise NoValues(
            f"data: no row of the train split has a value in column {columns}: take it out of the configuration, or "
            "bring rows that have one"
        )

    thresholds = _thresholds(splits)
    drifts = _greatest_drifts([*earlier, statistics_uri])
    schema = schema_pb2.Schema()
    for name in columns_of(data):
        feature = found[name]
        if name in data.inputs or name == data.label:
            _tokens(feature, data, thresholds.get(name, 1.0), drifts.get(name, 0.0))
        elif feature.HasField("domain"):
            # TFDV may share a domain between columns, under a name of its own. This schema gives each column its own.
            [domain] = [d for d in inferred.string_domain if d.name == feature.domain]
            feature.string_domain.CopyFrom(domain)
            feature.distribution_constraints.min_domain_mass = _KNOWN_SHARE
        if name in data.token_columns or (name == data.weight and data.shape == "sequence"):  # As many as tokens.
            feature.value_count.ClearField("max")
        if name == data.baskets:  # New rows have other dates or orders.
            for field in ("domain", "string_domain", "distribution_constraints"):
                feature.ClearField(field)
        feature.annotation.tag.append(chance.BY_ROWS)
        schema.feature.append(feature)
    return schema


def write_schema(schema: schema_pb2.Schema, path: Path) -> None:
    """Write a schema as text, with a header that explains its fields.

    Args:
        schema: Schema to write.
        path: Path of the file. Missing folders are created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCHEMA_HEADER + text_format.MessageToString(schema), encoding="utf-8")


def _greatest_drifts(spans: Sequence[str]) -> dict[str, float]:
    """Return the greatest drift between neighboring spans, by column."""
    found: dict[str, float] = {}
    for earlier, later in itertools.pairwise(spans):
        for name, measured in drift(later, earlier).items():
            found[name] = max(found.get(name, 0.0), measured.value)
    return found


def _tokens(feature: schema_pb2.Feature, data: DataSpec, threshold: float, drifted: float) -> None:
    """Adapt the feature of an input or label column."""
    for field in ("domain", "string_domain", "distribution_constraints"):
        feature.ClearField(field)
    is_label = feature.name == data.label
    if data.shape == "sequence" or is_label:
        feature.presence.min_fraction = 1.0
        feature.presence.min_count = 1
    feature.value_count.min = 2 if data.shape == "sequence" else 1
    feature.value_count.ClearField("max")
    if is_label and not data.several_labels:
        feature.value_count.max = 1
    if is_label or data.shape == "sequence":
        feature.skew_comparator.infinity_norm.threshold = threshold
        feature.drift_comparator.infinity_norm.threshold = max(threshold, _rounded(2 * drifted))


def _thresholds(splits: Mapping[str, statistics_pb2.DatasetFeatureStatistics]) -> dict[str, float]:
    """Return the allowed distance of the other splits from the train split, by column."""
    train = chance.columns_of(splits["train"])
    found: dict[str, float] = {}
    for split in splits.values():
        if split is splits["train"]:
            continue
        now = distances(split, splits["train"])
        for name, column in chance.columns_of(split).items():
            if name in train:
                explained = chance.distance_by_chance(column, train[name])
                seen = 2 * now[name].value if name in now else 0.0
                found[name] = max(found.get(name, 0.01), _rounded(explained), _rounded(seen))
    return found


def _rounded(distance: float) -> float:
    """Round up to hundredths."""
    return math.ceil(100 * distance) / 100
