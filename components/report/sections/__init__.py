"""Sections of `summary.json`, as pydantic models."""
