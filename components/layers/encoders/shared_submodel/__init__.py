"""Encoder `shared_submodel`: one submodel of the user's own, applied to every input."""
