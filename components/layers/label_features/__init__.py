"""Vectors of labels that depend on features of the labels."""
