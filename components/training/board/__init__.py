"""Contents of TensorBoard beside the curves: predictions, distributions, vectors, hyperparameters, graph, profile."""
