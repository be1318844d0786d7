"""What each node of the pipeline does, and, in `compat`, the private parts of libraries. No runner, no command line."""
