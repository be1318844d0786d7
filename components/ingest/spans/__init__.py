"""Spans of a source, and the choice of the spans that train together."""
