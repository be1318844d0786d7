"""Training loop, with its validations and checkpoints."""
