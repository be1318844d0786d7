"""Answers of a pushed model to files of rows, and the node BulkInferrer."""
