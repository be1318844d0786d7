"""Drift between two spans of the data, as TFDV measures it."""

from __future__ import annotations

from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.compat.tfdv import tfdv
from components.data_validation.statistics import split_statistics

L_INFINITY, JENSEN_SHANNON = "l_infinity", "jensen_shannon"
_MEASURES = {
    anomalies_pb2.DriftSkewInfo.Measurement.L_INFTY: L_INFINITY,
    anomalies_pb2.DriftSkewInfo.Measurement.JENSEN_SHANNON_DIVERGENCE: JENSEN_SHANNON,
}


@dataclass(frozen=True)
class Drift:
    """Drift of one column.

    Attributes:
        value: Distance from 0, no drift, to 1.
        measure: `l_infinity` for tokens and categories: the greatest difference in the share of a value.
            `jensen_shannon` for numbers: the divergence of the two distributions, in base 2.
    """

    value: float
    measure: str


def drift(later_uri: str, earlier_uri: str, split: str = "train") -> dict[str, Drift]:
    """Measure the drift of each column that both spans have.

    Args:
        later_uri: URI of the statistics artifact of the later span.
        earlier_uri: URI of the statistics artifact of the earlier span.
        split: Name of the split.

    Raises:
        FileNotFoundError: An artifact has no statistics of this split.
    """
    return distances(split_statistics(later_uri, split), split_statistics(earlier_uri, split))


def distances(
    one: statistics_pb2.DatasetFeatureStatistics, other: statistics_pb2.DatasetFeatureStatistics
) -> dict[str, Drift]:
    """Measure the distance between two sets of statistics for each column that both have.

    Args:
        one: Statistics of a split.
        other: Statistics of another split, or of the same split of another span.
    """
    later, earlier = _alone(one), _alone(other)
    schema = tfdv.infer_schema(later, infer_feature_shape=False)
    for feature in schema.feature:
        # TFDV measures only features with a threshold. No distance exceeds 1.
        if feature.type == schema_pb2.BYTES:
            feature.drift_comparator.infinity_norm.threshold = 1.0
        else:
            feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0
    found = tfdv.validate_statistics(later, schema, previous_statistics=earlier).drift_skew_info
    return {
        info.path.step[0]: Drift(measured.value, _MEASURES[measured.type])
        for info in found
        for measured in info.drift_measurements
    }


def _alone(statistics: statistics_pb2.DatasetFeatureStatistics) -> statistics_pb2.DatasetFeatureStatisticsList:
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=[statistics])
