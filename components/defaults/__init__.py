"""Defaults: values of unset keys, chosen from the statistics of the data."""
