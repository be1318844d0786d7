"""Parts that the benchmarks share: worker processes, timing, bounds, tables, and the description of the machine."""
