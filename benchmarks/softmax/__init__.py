"""The cost of a training step of the output layer, beside what a user could take instead."""
