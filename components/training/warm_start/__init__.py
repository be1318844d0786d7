"""Starting a training from an earlier model."""
