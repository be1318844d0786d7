"""Pushed models and the rows that they answer."""
