"""Encoder `transformer`: causal self-attention over the row."""
