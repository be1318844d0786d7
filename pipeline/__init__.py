"""What runs and in which order: configuration, presets, DAG, runner and command line."""
