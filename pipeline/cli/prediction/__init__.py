"""`bigvocab predict`: rows in, answers out."""
