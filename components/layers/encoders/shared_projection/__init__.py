"""Encoder `shared_projection`: one matrix shared by all positions, ordered latest positions, and attention pooling."""
