"""Options of the data that have a section of their own: baskets, token features, splits."""
