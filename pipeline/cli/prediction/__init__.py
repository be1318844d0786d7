"""Command `bigvocab predict`: answers of a pushed model to texts or rows."""
