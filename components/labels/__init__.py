"""Features of labels: their configuration, their file, and their vocabularies."""
