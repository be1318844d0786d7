"""The output layer over many classes, with a sampled softmax for training."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf

from components.layers.gradients import gather_rows
from components.layers.losses import candidates_loss, full_loss
from components.layers.proposal import Proposal
from components.layers.sweep import Sweep, sweep

Form = Literal["auto", "shared", "own", "full"]


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """(2,) int32 for stateless draws: others at every step and on every replica, the same when a step is repeated."""
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    # Spread, so that the replicas of one seed are not those of the next.
    first = (seed * 2_654_435) % (2**31 - 2**16)
    return tf.stack([first + tf.cast(replica, tf.int32), tf.cast(step, tf.int32)])


@keras.saving.register_keras_serializable("bigvocab")
class SampledSoftmax(keras.layers.Layer):
    """A dense layer to many classes that trains on a sample of them.

    Called, it gives the logits of all classes. `sampled_loss` is the cross entropy over a few of them, the candidates,
    drawn from q proportional to counts ** alpha, S times with replacement, in one of these forms:

        own     each row's own label, and the draws, which all rows share
        shared  the labels of the whole batch, and the draws: more candidates, at more cost
        full    all classes
        auto    `full` with as many draws as classes or more, else `own`, which is the fastest from there on

    Each class is a candidate once, and a row's own label is never a negative of it. Given the labels, a class that is
    there by its draw alone is there with probability pi = 1 - (1 - q)^S: log(pi) is subtracted from its logit, and
    nothing from a label's, which is there for certain. So the sum over candidates estimates the one over all classes
    without bias.

    That was measured on two cores of an AMD EPYC virtual machine, busy with other work: milliseconds of CPU time a step
    of head and `RowAdam`, width 128, S = 1,024, frequencies by Zipf's law:

        classes      batch 64                  batch 1,024               batch 4,096
                     own   shared  full        own   shared  full        own   shared  full
        1,500        3.3   3.4     3.7         10.7  12.4    17.2        33    52      63
        2,000        3.0   3.1     3.6         9.7   12.4    21.7        27    52      79
        4,000        2.7   2.7     5.7         10.8  13.5    40.8        33    69      165

    Args:
        counts: how often each class was seen in training, in the order of the ids. A class never seen is drawn as if it
            had been seen half a time.
        negatives: S. No fewer than there are classes: the full softmax.
        alpha: exponent of the proposal.
        seed: of the weights, and for the caller to seed the draws with.
        logits_dtype: "float32" or "bfloat16", the type of the wide matrix products in the loss only.
        form: what the loss is computed over.
        fixed_shape: keep repeated draws, masked, in place of shapes that depend on the draws: XLA needs it, and a GPU
            has not to wait for the host to learn the shapes. None: where there is a GPU.

    Raises:
        ValueError: counts of fewer than two classes, negative or all 0; an unknown form.

    Example:

        >>> head = SampledSoftmax(counts=[50, 30, 10, 5, 5], negatives=3)
        >>> head.build((None, 8))
        >>> hidden, labels = tf.random.normal([4, 8]), tf.constant([0, 1, 4, -1])
        >>> head.sampled_loss(hidden, labels, seed=step_seed(head.seed, 0)).shape
        TensorShape([4])
        >>> head(hidden).shape
        TensorShape([4, 5])
    """

    def __init__(
        self,
        counts: Sequence[int],
        negatives: int = 1_024,
        alpha: float = 0.75,
        seed: int = 0,
        logits_dtype: str = "float32",
        form: Form = "auto",
        fixed_shape: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.counts = np.asarray(counts, np.int64)
        if len(self.counts) < 2 or self.counts.min() < 0 or not self.counts.any():
            raise ValueError("SampledSoftmax needs the counts of at least two classes, none negative and not all 0")
        if form not in get_args(Form):
            raise ValueError(f"form is {form!r}: it must be one of {', '.join(get_args(Form))}")
        self.negatives, self.alpha, self.seed = negatives, alpha, seed
        self.logits_dtype, self.form = logits_dtype, form
        self.fixed_shape = bool(tf.config.list_physical_devices("GPU")) if fixed_shape is None else fixed_shape

    @property
    def classes(self) -> int:
        return len(self.counts)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # autocast=False: mixed precision must not read the table as bfloat16.
        self.table = self.add_weight(
            shape=(self.classes, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=self.seed),
            autocast=False,
            name="table",
        )
        # A model that knows nothing yet answers with the labels' frequencies.
        frequencies = np.maximum(self.counts, 0.5)
        log_frequencies = np.log(frequencies / frequencies.sum())
        self.bias = self.add_weight(
            shape=(self.classes,),
            initializer=lambda shape, dtype=None: tf.constant(log_frequencies, dtype=dtype, shape=shape),
            autocast=False,
            name="bias",
        )
        self.proposal = Proposal(self.counts, self.alpha, self.negatives)
        self.built = True

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits of all classes: (batch, width) -> (batch, classes). They are large: see `sweep`."""
        return tf.matmul(tf.cast(hidden, tf.float32), self.table, transpose_b=True) + self.bias

    def sweep(self, hidden: tf.Tensor, labels: tf.Tensor | None = None, k: int = 0) -> Sweep:
        """Labels' nll and rank and the k most probable classes, with few logits held at a time: see `sweep.sweep`."""
        return sweep(hidden, self.table.value, self.bias.value, labels, k)

    def sampled_loss(self, hidden: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training loss of each row: (batch, width), (batch,) -> (batch,) float32 nats; 0 where the label is -1."""
        hidden, labels = tf.cast(hidden, tf.float32), tf.cast(labels, tf.int32)
        known, labels = labels >= 0, tf.maximum(labels, 0)
        form = self.training_form
        if form == "full":
            loss = full_loss(hidden, self.table.value, self.bias.value, labels, self.logits_dtype)
        else:
            classes, log_pi, own = self.candidates(labels, seed, form)
            # Neither the step nor its gradient has anything of the table's size.
            rows, bias = gather_rows(self.table, classes), gather_rows(self.bias, classes)
            loss = candidates_loss(hidden, rows, bias, log_pi, own, self.logits_dtype)
        return tf.where(known, loss, 0.0)

    @property
    def training_form(self) -> Form:
        """The form of the loss, with "auto" decided."""
        if self.negatives >= self.classes:
            return "full"
        return "own" if self.form == "auto" else self.form

    def candidates(self, labels: tf.Tensor, seed: tf.Tensor, form: Form) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws the classes that a step is trained on.

        Args:
            labels: (batch,) int32, each a valid class.
            seed: (2,) int32, as from `step_seed`; the draws follow from it.
            form: "shared" or "own".

        Returns:
            (n,) int32 classes, the candidates and after them labels that are none; (candidates,) float32 log(pi), inf
            for a repetition; (batch,) int32, where each label stands among the classes.
        """
        draws = self.proposal.draw(seed)
        of = self._fixed_candidates if self.fixed_shape else self._unique_candidates
        return of(labels, draws, form)

    def _unique_candidates(
        self, labels: tf.Tensor, draws: tf.Tensor, form: Form
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # unique() keeps the order, so what is first called stands first.
        if form == "shared":
            classes, where = tf.unique(tf.concat([labels, draws], axis=0))
            own = where[: tf.shape(labels)[0]]
            of_batch = tf.range(tf.shape(classes)[0]) <= tf.reduce_max(own)
            return classes, tf.where(of_batch, 0.0, self.proposal.log_inclusion(classes)), own
        classes, where = tf.unique(tf.concat([draws, labels], axis=0))
        candidates = tf.reduce_max(where[: self.negatives]) + 1
        return classes, self.proposal.log_inclusion(classes[:candidates]), where[self.negatives :]

    def _fixed_candidates(
        self, labels: tf.Tensor, draws: tf.Tensor, form: Form
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        if form == "shared":
            classes = tf.sort(tf.concat([labels, draws], axis=0))
            own = tf.searchsorted(classes, labels)
            of_batch = tf.scatter_nd(own[:, tf.newaxis], tf.ones_like(labels, tf.float32), tf.shape(classes)) > 0
            log_pi = tf.where(of_batch, 0.0, self.proposal.log_inclusion(classes))
            return classes, tf.where(_repeated(classes), float("inf"), log_pi), own
        drawn = tf.sort(draws)
        log_pi = tf.where(_repeated(drawn), float("inf"), self.proposal.log_inclusion(drawn))
        place = tf.minimum(tf.searchsorted(drawn, labels), self.negatives - 1)
        after = self.negatives + tf.range(tf.shape(labels)[0])
        own = tf.where(tf.gather(drawn, place) == labels, place, after)
        return tf.concat([drawn, labels], axis=0), log_pi, own

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "counts": self.counts.tolist(),
            "negatives": self.negatives,
            "alpha": self.alpha,
            "seed": self.seed,
            "logits_dtype": self.logits_dtype,
            "form": self.form,
            "fixed_shape": self.fixed_shape,
        }


def _repeated(classes: tf.Tensor) -> tf.Tensor:
    """Of ascending classes, which are as the one before."""
    return tf.concat([[False], classes[1:] == classes[:-1]], axis=0)
