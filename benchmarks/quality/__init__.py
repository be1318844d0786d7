"""`bigvocab bench quality`: combinations of encoder and head on two data sets, at equal CPU time, beside baselines."""
