"""Confidence intervals of the metrics, and of the margin over the best baseline."""
