"""Sources of rows: one class per kind of source, and their registry."""
