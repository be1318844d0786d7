"""Training, evaluation and serving of causal encoders, which process a row once for all labels of the row."""
