"""Implementation of each node of the pipeline. `compat` wraps private APIs of libraries. No runner, no command line."""
