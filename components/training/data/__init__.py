"""Examples of a training, made of Transform's output."""
