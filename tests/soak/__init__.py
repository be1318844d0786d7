"""Soak: many runs over rolling spans in one root, with bounded disk and bounded time of the metadata queries."""
