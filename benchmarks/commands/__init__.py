"""Commands of `bigvocab bench`, which measure on this machine and print tables."""
