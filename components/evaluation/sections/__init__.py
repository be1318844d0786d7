"""Sections of the report about the evaluation: templates and charts."""
