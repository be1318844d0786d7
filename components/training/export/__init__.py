"""Export of the model for serving."""
