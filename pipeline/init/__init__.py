"""Derivation of a first configuration from a sample of the rows of undescribed files, for `bigvocab init`."""
