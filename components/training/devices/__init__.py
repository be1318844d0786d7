"""Devices of a training: replicas in one process, and workers in several processes."""
