"""Encoder `ten_inputs`: named inputs through one shared dense layer."""
