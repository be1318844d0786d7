"""Answers of a pushed model for files of rows, and the node BulkInferrer."""
