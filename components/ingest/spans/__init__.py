"""Spans of a source, and the choice of those that train together."""
