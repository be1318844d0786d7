"""Trainer node, which turns transformed examples into an exported model."""
