"""Losses over many classes, with explicit gradients: of rows with one label, and of rows with several."""
