"""Mixture of a softmax and n-gram counts: p(j | h) = g(h) p_model(j | h) + (1 - g(h)) p_count(j | last tokens)."""
