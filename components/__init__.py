"""Implementation of each node of the pipeline, without runners or command line. `compat` wraps private APIs."""
