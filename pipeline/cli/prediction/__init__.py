"""Commands `bigvocab predict` and `bigvocab evaluate` for a pushed model."""
