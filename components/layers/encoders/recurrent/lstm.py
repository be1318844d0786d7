"""LSTM over whole rows, with an explicit gradient.

TensorFlow's gradient of a loop stores every intermediate value and multiplies matrices at every position. Here one
matrix product for all positions gives the products with the inputs, and one gives the gradient of the recurrent matrix.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def lstm_states(
    gates: tf.Tensor, recurrent: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    """Return the hidden states of an LSTM at all positions, (L, rows, units) float32, starting from states of 0.

        a_t             = gates_t + h_(t-1) R
        i, f, g, o      = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
        c_t             = f c_(t-1) + i g
        h_t             = o tanh(c_t)

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers et al., "Learning
    to Forget" (2000). The order of the gates is that of `keras.layers.LSTM`.

    Args:
        gates: (L, rows, 4 units) products of the inputs and the kernel, plus the bias.
        recurrent: (units, 4 units) matrix R.
    """
    length, units = tf.shape(gates)[0], recurrent.shape[0]
    zeros = tf.zeros([tf.shape(gates)[1], units])

    def array(width: int) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, length, element_shape=[None, width])

    def forward(t: tf.Tensor, h: tf.Tensor, c: tf.Tensor, hs: tf.TensorArray, cs: tf.TensorArray, acts: tf.TensorArray):
        a = gates[t] + tf.matmul(h, recurrent)
        sigmoids = tf.sigmoid(a)
        g = tf.tanh(a[:, 2 * units : 3 * units])
        c = sigmoids[:, units : 2 * units] * c + sigmoids[:, :units] * g
        h = sigmoids[:, 3 * units :] * tf.tanh(c)
        act = tf.concat([sigmoids[:, : 2 * units], g, sigmoids[:, 3 * units :]], axis=1)
        return t + 1, h, c, hs.write(t, h), cs.write(t, c), acts.write(t, act)

    start = (tf.constant(0), zeros, zeros, array(units), array(units), array(4 * units))
    _, _, _, *arrays = tf.while_loop(lambda t, *_: t < length, forward, start, parallel_iterations=1)
    hs, cs, acts = (each.stack() for each in arrays)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        before = tf.concat([zeros[tf.newaxis], cs[:-1]], axis=0)

        def backward(t: tf.Tensor, dh: tf.Tensor, dc: tf.Tensor, das: tf.TensorArray):
            i, f, g, o = tf.split(acts[t], 4, axis=1)
            squashed = tf.tanh(cs[t])
            dh += upstream[t]
            dc += dh * o * (1.0 - squashed * squashed)
            da = tf.concat(
                [
                    dc * g * i * (1.0 - i),
                    dc * before[t] * f * (1.0 - f),
                    dc * i * (1.0 - g * g),
                    dh * squashed * o * (1.0 - o),
                ],
                axis=1,
            )
            return t - 1, tf.matmul(da, recurrent, transpose_b=True), dc * f, das.write(t, da)

        start = (length - 1, zeros, zeros, array(4 * units))
        *_, das = tf.while_loop(lambda t, *_: t >= 0, backward, start, parallel_iterations=1)
        da = das.stack()
        h_before = tf.concat([zeros[tf.newaxis], hs[:-1]], axis=0)
        flat = tf.reshape(da, [-1, 4 * units])
        return da, tf.matmul(tf.reshape(h_before, [-1, units]), flat, transpose_a=True)

    return hs, gradient
