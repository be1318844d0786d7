"""ML Metadata store, and the records of runs in it."""
