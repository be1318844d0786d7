"""Forms of the training loss of a `SampledSoftmax`: one class per form, and their registry."""
