"""Benchmark of exact and approximate answers over many classes."""
