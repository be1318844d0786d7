"""Workloads of `bigvocab bench heads`, each for a process of its own: see `benchmarks.harness.worker`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks import zipf
from benchmarks.harness.timing import Spent, timed
from benchmarks.softmax.keras_steps import use_threads
from benchmarks.softmax.problem import BATCHES, Problem
from components.baselines.counting import packed
from components.baselines.models.tables import tables_of
from components.layers.head import SampledSoftmax
from components.layers.losses.labels import LossName
from components.layers.mixture.gate import mixture_loss
from components.layers.mixture.layer import NgramMixture
from components.layers.mixture.spec import NgramMixtureSpec
from components.layers.mixture.tables import Tables
from components.layers.outputs import ClassOutput
from components.training.data.layout import LABEL, Layout
from components.training.model import build_model
from components.training.optimizer import make_optimizer
from components.training.spec import TrainerSpec

WARM_UP = 3
# Standard deviation of the logits around the logarithm of the frequency of a class.
_SPREAD = 2.0
# Share of the model in a mixture before it is trained: see `components.layers.mixture.gate`.
_FIRST_GATE = 0.8
_CACHE = NgramMixtureSpec().cached(sequences=True)


class TrainingStep:
    """Workload that trains a whole model on batches in memory.

    All forms have the same encoder, which knows each class as an input, so that the tables can be tied.

    Args:
        threads: Size of each of TensorFlow's thread pools.
        encoder: Kind of the encoder.
        similarity: `dot` or `cosine`.
        tie: Use the token vectors as class vectors.
        labels: Number of labels of each row.
        loss: Loss of rows with several labels. None: a row has one label.
    """

    def __init__(
        self,
        threads: int,
        encoder: str,
        similarity: str = "dot",
        tie: bool = False,
        labels: int = 1,
        loss: LossName | None = None,
    ) -> None:
        use_threads(threads)
        head = {"similarity": similarity, **({} if loss is None else {"loss": loss})}
        self._spec = TrainerSpec.model_validate({"model": {"kind": encoder, "tie": tie}, "head": head})
        self._labels = None if loss is None else labels

    def prepare(self, classes: int, batch: int) -> None:
        """Build the model for a size and warm it up."""
        problem, context = Problem(classes, batch), self._spec.model.context
        uniform = np.random.default_rng(problem.seed + 2).random((BATCHES, batch, context))
        ids = tf.constant(zipf.drawn(problem.frequencies, uniform), tf.int32)
        labels = problem.labels if self._labels is None else problem.several_labels(self._labels)
        self._batches = [({"input_ids": i}, {LABEL: tf.constant(y)}) for i, y in zip(ids, labels, strict=True)]
        layout = Layout("labelled", context, classes, (), {}, "class" if self._labels is None else "classes")
        model = build_model(self._spec, layout, problem.counts.tolist())
        model.compile_with(make_optimizer(self._spec.optimizer, self._spec.learning_rate))
        model.encoder.adapt(lambda length: [inputs["input_ids"][:, -length:] for inputs, _ in self._batches])
        self._step = tf.function(model.train_step, autograph=False)  # AutoGraph would take seconds.
        self.turn(WARM_UP)

    def turn(self, steps: int) -> Spent:
        """Run and time a number of steps."""
        return timed(lambda number: self._step(self._batches[number % BATCHES])["loss"].numpy(), steps)


class TopTen:
    """Workload that finds the ten most probable classes of some rows.

    Args:
        threads: Size of each of TensorFlow's thread pools.
        mixed: Mix the softmax with n-gram counts and a cache of the row.
        classes: Number of classes.
        tokens: Tokens of the synthetic text that is counted.
        most: N-grams to keep of each length.
    """

    def __init__(self, threads: int, mixed: bool, classes: int, tokens: int, most: int) -> None:
        use_threads(threads)
        problem = Problem(classes, 1)
        head = SampledSoftmax(problem.counts, problem.negatives)
        self._text = text(classes, tokens)
        self._mixture = NgramMixture(count(self._text, classes, most), _CACHE) if mixed else None
        self._output = ClassOutput(head, self._mixture)
        self._output.build((None, problem.width))
        self._width = problem.width

    def prepare(self, rows: int) -> dict[str, Any]:
        """Compile the step for a number of rows. Return the size of the counts in bytes, and of n-grams by length."""
        rng = np.random.default_rng(3)
        self._hidden = tf.constant(rng.standard_normal((BATCHES, rows, self._width)), tf.float32)
        at = rng.integers(_CACHE, len(self._text), (BATCHES, rows, 1))
        self._contexts = tf.constant(self._text[at + np.arange(-_CACHE, 0)])

        @tf.function(autograph=False)
        def top(hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
            return self._output.sweep(hidden, k=10, context=None if self._mixture is None else context).ids

        self._top = top
        self.turn(WARM_UP)
        if self._mixture is None:
            return {}
        counts = self._mixture.counts
        return {"bytes": counts.bytes, "ngrams": [each.keys.shape[0] for each in counts.orders]}

    def turn(self, steps: int) -> Spent:
        """Answer and time a number of batches of rows."""

        def step(number: int) -> None:
            at = number % BATCHES
            self._top(self._hidden[at], self._contexts[at]).numpy()

        return timed(step, steps)


class Bias:
    """Workload that compares the sampled loss with the exact one.

    The logits are log f + 2 e, with the frequency f of a class and standard normal e. The gate of the mixture has its
    first value, g = 0.8: this share of the labels is drawn from the softmax, and the others follow their context in the
    text.

    Args:
        threads: Size of each of TensorFlow's thread pools.
        classes: Number of classes.
        rows: Number of labels.
        tokens: Tokens of the synthetic text that is counted.
        most: N-grams to keep of each length.
    """

    def __init__(self, threads: int, classes: int, rows: int, tokens: int, most: int) -> None:
        use_threads(threads)
        self._problem = Problem(classes, rows)
        rng = np.random.default_rng(5)
        words = text(classes, tokens)
        mixture = NgramMixture(count(words, classes, most))
        mixture.build((None, self._problem.width))
        self._hidden = tf.constant(self._problem.hidden[0])
        self._table = rng.standard_normal((classes, self._problem.width)) * _SPREAD / np.sqrt(self._problem.width)
        at = rng.integers(2, tokens, rows)
        context = tf.constant(np.stack([words[at - 2], words[at - 1]], axis=1))
        drawn = tf.random.stateless_categorical(self._head(1)(self._hidden), 1, [1, 2])[:, 0]
        self._labels = tf.where(rng.random(rows) < _FIRST_GATE, drawn, words[at])
        found = mixture.counts.find(context, self._labels)
        self._shares, self._counted = mixture.gate(self._hidden, found.features), [found.probability]

    def prepare(self, negatives: int, draws: int) -> dict[str, Any]:
        """Measure the losses of several draws of negative samples.

        Args:
            negatives: Number of negative samples of a draw, S.
            draws: Number of draws.

        Returns:
            For `model`, the loss of the softmax, and for `mixture`: `exact`, the mean loss in nats, and `biases`, the
            mean of sampled minus exact loss for each draw.
        """
        head = self._head(negatives)
        sampled = tf.function(head.sampled_loss, autograph=False)
        exact = head.exact_loss(self._hidden, self._labels)
        losses = [sampled(self._hidden, self._labels, tf.constant([draw, negatives])) for draw in range(draws)]

        def compared(of: list[tf.Tensor], with_: tf.Tensor) -> dict[str, Any]:
            mean = float(tf.reduce_mean(with_))
            return {"exact": mean, "biases": [float(tf.reduce_mean(each - with_)) for each in of]}

        return {
            "model": compared(losses, exact),
            "mixture": compared([self._mixed(each) for each in losses], self._mixed(exact)),
        }

    def turn(self, steps: int) -> Spent:
        """Do nothing: this workload measures no time."""
        return timed(lambda _: None, steps)

    def _head(self, negatives: int) -> SampledSoftmax:
        problem = self._problem
        head = SampledSoftmax(problem.counts, negatives, problem.alpha, form="own")
        head.build((None, problem.width))
        head.table.assign(self._table)
        head.bias.assign(np.log(problem.frequencies))
        return head

    def _mixed(self, losses: tf.Tensor) -> tf.Tensor:
        return mixture_loss(losses, self._shares, self._counted)


def text(classes: int, tokens: int) -> NDArray[np.int64]:
    """Return a synthetic text of independent tokens whose frequencies follow Zipf's law, (tokens,)."""
    return zipf.drawn(zipf.frequencies(classes), np.random.default_rng(4).random(tokens))


def count(words: NDArray[np.int64], classes: int, most: int) -> Tables:
    """Count the bigrams and trigrams of a text, and keep the most frequent ones of each length."""
    contexts = np.stack([words[:-2], words[1:-1]], axis=1)
    keys, counts = np.unique(packed(contexts, words[2:], classes + 2, classes), return_counts=True)
    return tables_of(keys, counts, order=3, n_contexts=classes + 2, n_classes=classes, most=most)
