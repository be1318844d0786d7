"""Input of predictions: the reader, and the check and conversion of each row."""
