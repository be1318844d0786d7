"""Similarity of a hidden vector and a class vector, which determines the logit of the class.

    dot      z_ij = t h_i . v_j + b_j
    cosine   z_ij = t h_i . v_j / (|h_i| |v_j|) + b_j

With `dot`, the length of a class vector grows with the frequency of the class, which favors frequent classes. `cosine`
removes the length (Gupta et al., "NISER: Normalized Item and Session Representations to Handle Popularity Bias", 2019).
A cosine is between -1 and 1, so without a factor t the softmax over many classes could not become sharp. If the cosine
of a class is 1 and those of the other n - 1 classes are 0, the probability p of the class needs a t of at least
log((n - 1) p / (1 - p)) (Wang et al., "NormFace: L2 Hypersphere Embedding for Face Verification", 2017). For 25,000
classes and p = 0.9 this is 12.3.
"""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

Name = Literal["dot", "cosine"]

DEFAULT_TEMPERATURE: dict[str, float] = {"dot": 1.0, "cosine": 12.0}
"""Default temperature t of each similarity."""

# Lower bound of the squared length in `unit`, so that the gradient of a vector of zeros is finite.
_TINY = 1e-8


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Divide vectors by their lengths.

    Args:
        vectors: (..., width) float32. A vector shorter than 1e-4 is divided by 1e-4.
    """
    return tf.math.l2_normalize(vectors, axis=-1, epsilon=_TINY)
