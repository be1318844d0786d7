"""The Baselines node: metrics of counting models on the test split."""
