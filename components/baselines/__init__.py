"""The Baselines node: metrics that counting alone reaches on the same test rows."""
