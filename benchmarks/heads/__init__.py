"""Cost of the forms of a head: one table or two, dot product or cosine, with and without n-gram counts."""
