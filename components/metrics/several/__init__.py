"""Metrics of rows that may have several labels: their table, their sums, and their values in NumPy."""
