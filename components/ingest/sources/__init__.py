"""Sources of rows: one class per kind of source, and the registry of the kinds."""
