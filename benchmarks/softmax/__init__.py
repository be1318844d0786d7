"""Benchmark of a training step of the output layer against alternatives in Keras, TensorFlow and PyTorch."""
