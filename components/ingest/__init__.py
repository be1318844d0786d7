"""Nodes ExampleGen and RollingRange, which split the rows of a source and write them as tf.Examples."""
