"""Metrics: one table of them, the sums that they are made of, and a user's own.

To add a metric, add a row to `table.METRICS`. If it needs a sum that is not there, add one to `sums.SUMS`.
"""

from components.metrics.definitions import Metric, Places, Sum

__all__ = ["Metric", "Places", "Sum"]
