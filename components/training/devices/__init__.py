"""Replicas in one process, and workers in several processes."""
