"""Patches and private parts of TFX, ML Metadata and TFX-BSL."""
