"""Bonus for the classes that occur in a row's own history, such as products that a customer buys again."""
