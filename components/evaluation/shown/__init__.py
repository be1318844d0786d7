"""Single rows and labels that the report shows: predictions, hard labels and neighbors."""
