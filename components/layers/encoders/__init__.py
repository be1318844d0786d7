"""Encoders: layers that map the inputs of an example to one vector."""
