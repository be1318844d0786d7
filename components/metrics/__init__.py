"""Metrics, and the sums they are made of."""
