"""Speed and memory of `bigvocab serve` under load."""
