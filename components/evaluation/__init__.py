"""The Resolver and Evaluator nodes: metrics of the model, compared with thresholds and with the last blessed model."""
