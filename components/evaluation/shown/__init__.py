"""Single rows and labels that the report shows: predictions and hard labels."""
