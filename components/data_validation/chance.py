"""Bounds on the distance between splits of the same data that chance explains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

BY_ROWS = "by_rows"
"""Tag of a feature whose limits widen as far as chance explains."""
FALSE_ALARM = 1e-3
"""Maximum probability that a column of two splits of the same data raises a false alarm."""
Columns = Mapping[str, statistics_pb2.FeatureNameStatistics]


def columns_of(statistics: statistics_pb2.DatasetFeatureStatistics) -> Columns:
    """Return the statistics of each column by name."""
    return {feature.path.step[0]: feature for feature in statistics.features}


def distance_by_chance(one: statistics_pb2.FeatureNameStatistics, other: statistics_pb2.FeatureNameStatistics) -> float:
    """Bound the L-infinity distance between two samples of the same distribution of values.

    Take a value that has share p in both samples, of n and m rows. Hoeffding's inequality for independent rows gives

        P(|share_n - share_m| >= t) <= 2 exp(-2 t^2 / (1 / n + 1 / m)).

    The union bound over k values, solved for t at a false-alarm probability of `FALSE_ALARM`, is

        t = sqrt((1 / n + 1 / m) ln(2 k / FALSE_ALARM) / 2).

    The bound also holds for rows drawn without replacement, for example by a hash. The values of one row depend on each
    other, so n and m are the `independent_rows`. Source: Hoeffding, "Probability Inequalities for Sums of Bounded
    Random Variables" (1963), theorem 2 and section 6.

    Args:
        one: Statistics of a text column.
        other: Statistics of the same column in the other sample.

    Returns:
        Distance, at most 1; 1 if a sample has no value.
    """
    rows = independent_rows(one), independent_rows(other)
    if not min(rows):
        return 1.0
    values = max(one.string_stats.unique, other.string_stats.unique, 1)
    spread = (1 / rows[0] + 1 / rows[1]) / 2
    return min(1.0, math.sqrt(spread * math.log(2 * values / FALSE_ALARM)))


def independent_rows(column: statistics_pb2.FeatureNameStatistics) -> float:
    """Return the number of single-value rows that have the same spread as the rows of a column.

    With l_i values in row i, this number is (sum l_i)^2 / sum l_i^2, because a row's share of all values is at most
    l_i / sum l_i. The histogram of l_i gives an upper bound of the sum of squares. Source: Kish, "Survey Sampling"
    (1965), on unequal weights.

    Args:
        column: Statistics of the column.
    """
    stats = (column.string_stats if column.HasField("string_stats") else column.num_stats).common_stats
    total = float(stats.tot_num_values or stats.num_non_missing * stats.avg_num_values)
    if not total:
        return 0.0
    squares = sum(b.sample_count * b.high_value**2 for b in stats.num_values_histogram.buckets)
    squares = squares or total * (stats.max_num_values or 1)
    return min(float(stats.num_non_missing), total**2 / squares)


def most_by_chance(rows: float, share: float) -> float:
    """Bound the share of sampled rows that have a property, given its share in all rows.

    The bound follows from P(share of the sampled rows >= q) <= exp(-rows KL(q || share)). Source: Hoeffding (1963),
    theorem 1.

    Args:
        rows: Number of independent rows in the sample.
        share: Share of all rows that have the property, above 0 and below 1.

    Returns:
        The q > share with rows KL(q || share) = ln(1 / FALSE_ALARM), or 1 if no such q exists.
    """
    low, high = share, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rows * _divergence(middle, share) < -math.log(FALSE_ALARM) else (low, middle)
    return high


def widened(schema: schema_pb2.Schema, now: Columns, reference: Columns, before: Columns) -> schema_pb2.Schema:
    """Copy a schema, and widen the limits of features tagged `BY_ROWS` as far as chance explains.

    Comparator thresholds become at least `distance_by_chance`. The allowed share of unknown values of a category
    becomes `most_by_chance`. If some train rows lack a column, the column may be absent from a split so small that
    chance explains its absence.

    Args:
        schema: Schema to copy.
        now: Columns of the split to validate.
        reference: Columns of the train split; empty without one.
        before: Columns of the previous span; empty without one.
    """
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for feature in result.feature:
        if BY_ROWS not in feature.annotation.tag:
            continue
        name = feature.name
        for field, others in (("skew_comparator", reference), ("drift_comparator", before)):
            if feature.HasField(field) and name in now and name in others:
                limit = getattr(feature, field).infinity_norm
                limit.threshold = max(limit.threshold, distance_by_chance(now[name], others[name]))
        if feature.distribution_constraints.HasField("min_domain_mass") and name in now:
            _widen_domain(feature, now[name])
        if name in reference and not feature.presence.min_fraction:
            _widen_presence(feature, reference[name], max(_all_rows(now), default=0))
    return result


def _widen_domain(feature: schema_pb2.Feature, column: statistics_pb2.FeatureNameStatistics) -> None:
    unknown, rows = 1.0 - feature.distribution_constraints.min_domain_mass, independent_rows(column)
    if 0 < unknown < 1 and rows:
        feature.distribution_constraints.min_domain_mass = 1.0 - most_by_chance(rows, unknown)


def _widen_presence(feature: schema_pb2.Feature, train: statistics_pb2.FeatureNameStatistics, rows: int) -> None:
    stats = (train.string_stats if train.HasField("string_stats") else train.num_stats).common_stats
    everywhere = stats.num_non_missing + stats.num_missing
    if everywhere and (1.0 - stats.num_non_missing / everywhere) ** rows > FALSE_ALARM:
        feature.presence.min_count = 0


def _all_rows(columns: Columns) -> Iterator[int]:
    for column in columns.values():
        stats = (column.string_stats if column.HasField("string_stats") else column.num_stats).common_stats
        yield stats.num_non_missing + stats.num_missing


def _divergence(q: float, p: float) -> float:
    """Return KL(q || p) of two probabilities, in nats."""
    return (q * math.log(q / p) if q else 0.0) + ((1 - q) * math.log((1 - q) / (1 - p)) if q < 1 else 0.0)
