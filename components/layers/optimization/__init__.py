"""Optimizers, schedule of the learning rate, and gradients of table rows."""
