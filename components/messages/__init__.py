"""Texts for people, without secrets: formats, colors, progress, errors and exit codes."""
