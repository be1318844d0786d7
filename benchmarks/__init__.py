"""Benchmarks of the pipeline and of alternatives, described in README.md."""
