"""Encoder `basket`: attention over the products of the earlier baskets of a customer, by the age of the basket."""
