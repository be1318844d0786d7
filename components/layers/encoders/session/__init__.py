"""Encoder `session`: attention over the items of a session, asked by the latest item."""
