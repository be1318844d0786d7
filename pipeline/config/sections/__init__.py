"""Sections of the configuration that belong to the pipeline and to no component."""
