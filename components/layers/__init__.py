"""The mathematics as Keras layers: head, losses, proposal, sweep, optimizers, encoders."""
