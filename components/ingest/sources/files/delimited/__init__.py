"""Delimited text: its records, tables of them, and the guess of its dialect."""
