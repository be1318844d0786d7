"""Warm start of a training from an earlier model."""
