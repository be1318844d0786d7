"""Lease of a root: the right of one process to write there, which passes on when its holder is dead."""
