"""Next basket of the customers of a grocery store: training with the encoder of baskets, beside baselines."""
