"""Training, evaluation and serving of causal encoders, which process a row once for all its labels."""
