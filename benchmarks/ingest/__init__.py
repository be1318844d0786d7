"""Benchmark of the nodes from the source to the Trainer: ExampleGen, StatisticsGen and Transform."""
