"""Faults of a training: losses that are not finite, and a lack of memory."""
