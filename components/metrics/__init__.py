"""Metrics: the table of metrics, the sums from which they are computed, and a user's own metrics.

To add a metric, add a row to `table.METRICS`. If the metric needs a new sum, add the sum to `sums.CLASS_SUMS` or
`sums.NUMBER_SUMS`.
"""

from components.metrics.definitions import Metric, Places, Sum

__all__ = ["Metric", "Places", "Sum"]
