"""Baselines of rows that may have several labels."""
