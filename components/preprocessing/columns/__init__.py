"""Transformations of single columns: numbers, token features and baskets."""
