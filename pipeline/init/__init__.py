"""`bigvocab init`: a first configuration for files that nobody has described yet, from a sample of their rows."""
