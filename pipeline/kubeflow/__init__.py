"""Pipelines for Kubeflow: compilation to a file, and submission of runs."""
