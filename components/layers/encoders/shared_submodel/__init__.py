"""Encoder `shared_submodel`: one user-defined submodel, applied to every input."""
