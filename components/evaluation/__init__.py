"""Nodes Resolver and Evaluator: metrics of the model, compared with thresholds and with the last blessed model."""
