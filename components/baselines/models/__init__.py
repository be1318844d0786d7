"""Counting models of labels that the baselines share: n-grams, co-occurrence, and the history of a row."""
