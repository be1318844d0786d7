"""Comparison of runs and versions over the same rows."""
