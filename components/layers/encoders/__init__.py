"""Encoders: layers from the inputs of an example to one vector."""
