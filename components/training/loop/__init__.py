"""The steps of a training, its validations and its checkpoints."""
