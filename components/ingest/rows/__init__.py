"""Conversion of rows to tf.Examples: columns, tokenizers, and the shards to write."""
