"""Facts about the data, from which the rules choose the defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.ingest.spec import DataSpec

_TOP = 10


@dataclass(frozen=True)
class Facts:
    """Statistics of the train split, of a sample of it if it is large.

    Attributes:
        rows: Number of rows.
        tokens: Number of input tokens.
        distinct: Number of different input tokens; an estimate if there are several spans.
        top_share: Share of all input tokens that the ten most frequent ones make up.
        shared_labels: Share of the label's most frequent values that are also among the most frequent input tokens.
            1 if every token is a label.
        bigram_gain: How much better the latest token predicts the label than popularity: see `followers.bigram_gain`.
            1 if it was not measured.
    """

    rows: int
    tokens: int
    distinct: int
    top_share: float
    shared_labels: float
    bigram_gain: float = 1.0

    @property
    def mean_length(self) -> float:
        """Mean number of input tokens of a row."""
        return self.tokens / max(self.rows, 1)


def facts_of(spans: Iterable[statistics_pb2.DatasetFeatureStatistics], data: DataSpec) -> Facts:
    """Return the facts about a train split.

    Args:
        spans: Statistics of the train split, one for each span.
        data: Meaning of the columns.
    """
    rows = tokens = distinct = 0
    counts: dict[str, float] = {}
    labels: dict[str, float] = {}
    for span in spans:
        rows += span.num_examples
        columns = {feature.path.step[0]: feature for feature in span.features}
        of_inputs = 0
        for name in data.inputs:
            if name not in columns:  # No row has a value.
                continue
            column = columns[name]
            stats = column.string_stats if column.HasField("string_stats") else column.num_stats
            tokens += stats.common_stats.tot_num_values
            if column.HasField("string_stats"):
                of_inputs = max(of_inputs, column.string_stats.unique)
                _add(counts, column.string_stats)
        distinct = max(distinct, of_inputs)
        if data.label in columns and columns[data.label].HasField("string_stats"):
            _add(labels, columns[data.label].string_stats)
    top = sorted(counts.values(), reverse=True)[:_TOP]
    shared = 1.0 if data.shape == "sequence" else sum(label in counts for label in labels) / max(len(labels), 1)
    return Facts(rows, tokens, distinct, sum(top) / max(tokens, 1), shared)


def _add(counts: dict[str, float], stats: statistics_pb2.StringStatistics) -> None:
    for value in stats.top_values:
        counts[value.value] = counts.get(value.value, 0.0) + value.frequency


def described(facts: Facts) -> Mapping[str, float]:
    """Return the facts for a file, rounded as they are shown."""
    return {
        "rows": facts.rows,
        "tokens": facts.tokens,
        "distinct": facts.distinct,
        "top_share": round(facts.top_share, 4),
        "shared_labels": round(facts.shared_labels, 4),
        "mean_length": round(facts.mean_length, 2),
        "bigram_gain": round(facts.bigram_gain, 2),
    }
