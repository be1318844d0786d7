"""Search for values of trainer keys: the node Tuner."""
