"""Mathematics of the model as Keras layers: head, losses, proposal, sweep, optimizers, encoders."""
