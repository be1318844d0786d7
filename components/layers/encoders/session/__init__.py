"""Encoder `session`: attention over the items of a session, with the latest item as the query."""
