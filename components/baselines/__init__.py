"""The Baselines node: metrics of counting models on the rows that the model is tested on."""
