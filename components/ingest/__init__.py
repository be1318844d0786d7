"""The ExampleGen and RollingRange nodes: rows of a source, split and written as tf.Examples."""
