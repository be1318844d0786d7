"""Bounds on the distance that chance puts between splits of the same data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

BY_ROWS = "by_rows"
"""The tag of a feature whose limits are widened by what chance explains."""
FALSE_ALARM = 1e-3
"""The probability, at most, that two splits of the same data are told apart in a column."""
Columns = Mapping[str, statistics_pb2.FeatureNameStatistics]


def columns_of(statistics: statistics_pb2.DatasetFeatureStatistics) -> Columns:
    """Return the statistics of each column by its name."""
    return {feature.path.step[0]: feature for feature in statistics.features}


def distance_by_chance(one: statistics_pb2.FeatureNameStatistics, other: statistics_pb2.FeatureNameStatistics) -> float:
    """Bound the L-infinity distance of two samples of the same distribution of values.

    For a value of share p in both, Hoeffding's inequality for independent rows gives, with n and m rows,

        P(|share_n - share_m| >= t) <= 2 exp(-2 t^2 / (1 / n + 1 / m)).

    The union bound over k values, solved for t at a false alarm of `FALSE_ALARM`, is

        t = sqrt((1 / n + 1 / m) ln(2 k / FALSE_ALARM) / 2).

    It also holds for rows drawn without replacement, as by a hash. The values of one row depend on each other: rows
    with several values count as `independent_rows`. Source: Hoeffding, "Probability Inequalities for Sums of Bounded
    Random Variables" (1963), theorem 2 and section 6.

    Args:
        one: the statistics of a column of texts.
        other: of the same column elsewhere.

    Returns:
        The distance, at most 1; 1 where a side has no value.
    """
    rows = independent_rows(one), independent_rows(other)
    if not min(rows):
        return 1.0
    values = max(one.string_stats.unique, other.string_stats.unique, 1)
    spread = (1 / rows[0] + 1 / rows[1]) / 2
    return min(1.0, math.sqrt(spread * math.log(2 * values / FALSE_ALARM)))


def independent_rows(column: statistics_pb2.FeatureNameStatistics) -> float:
    """Return how many rows of one value each have the same spread as these rows.

    With l_i values in row i that is (sum l_i)^2 / sum l_i^2: a row's share of all values is at most l_i / sum l_i.
    The sum of squares is bounded from above by the histogram of l_i. Source: Kish, "Survey Sampling" (1965), on unequal
    weights.

    Args:
        column: its statistics.
    """
    stats = (column.string_stats if column.HasField("string_stats") else column.num_stats).common_stats
    total = float(stats.tot_num_values or stats.num_non_missing * stats.avg_num_values)
    if not total:
        return 0.0
    squares = sum(b.sample_count * b.high_value**2 for b in stats.num_values_histogram.buckets)
    squares = squares or total * (stats.max_num_values or 1)
    return min(float(stats.num_non_missing), total**2 / squares)


def most_by_chance(rows: float, share: float) -> float:
    """Bound the share of rows with a property that holds for a given share of all rows.

    Returns the q > share with rows KL(q || share) = ln(1 / FALSE_ALARM), or 1 if no q is as far: P(share of the rows
    >= q) <= exp(-rows KL(q || share)). Source: Hoeffding (1963), theorem 1.

    Args:
        rows: independent ones.
        share: of all rows, above 0 and below 1.
    """
    low, high = share, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rows * _divergence(middle, share) < -math.log(FALSE_ALARM) else (low, middle)
    return high


def widened(schema: schema_pb2.Schema, now: Columns, reference: Columns, before: Columns) -> schema_pb2.Schema:
    """Copy a schema with the limits of features tagged `BY_ROWS` widened by what chance explains.

    A comparator's threshold is at least `distance_by_chance`. The share of unknown values of a category is at most
    `most_by_chance`. A column that part of the rows lack may be absent from a split so small that chance explains it.

    Args:
        schema: to keep to.
        now: the columns of the split that is validated.
        reference: those of the train split; empty where there is none.
        before: those of the span before; empty where there is none.
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
    """KL(q || p) of two probabilities, nats."""
    return (q * math.log(q / p) if q else 0.0) + ((1 - q) * math.log((1 - q) / (1 - p)) if q < 1 else 0.0)
