"""Encoder `recurrent`: a recurrent cell over the sequence."""
