"""Curated schemas of data sets, and the JSON schema of the configuration."""
