"""Training of the model of the next basket, with the layers of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from benchmarks.basket.data import Examples
from components.layers.encoders.basket.layer import Basket
from components.layers.head import SampledSoftmax, step_seed
from components.layers.losses.labels import Labels
from components.layers.optimization.optimizers import FusedAdam
from components.layers.optimization.schedule import WarmupCosine
from components.layers.repeats.layer import Repeats

WEEK = "week"
"""Feature of an example: the number of the week of the latest basket of its history."""
_INPUTS = tf.TensorSpec([None, None], tf.int32)
# Most probable products of a model that the mean over several models counts.
_KEPT = 100
_DAYS = tf.TensorSpec([None], tf.int32)


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes:
        width: Width of the token vectors.
        temperature: Factor of the cosine.
        input_dropout: Share of the values of the token vectors to drop.
        epochs: Number of passes over the examples.
        batch: Examples of a step.
        learning_rate: Highest learning rate.
        warmup: Steps of the warm-up.
        days: Number of days by which an example before the last date is older if it weighs 1/e of the variable part.
        constant: Part of the weight that does not depend on the date.
        week_embedding: Width of the embedding of the week of the latest basket; 0: the model does not read the week.
        models: Number of models with different seeds, whose probabilities are averaged.
        seed: Seed of the weights, of the dropout and of the order of the examples.
    """

    width: int = 128
    temperature: float = 12.0
    input_dropout: float = 0.3
    epochs: int = 3
    batch: int = 512
    learning_rate: float = 3e-3
    warmup: int = 100
    days: float = 30.0
    constant: float = 0.2
    week_embedding: int = 16
    models: int = 3
    seed: int = 1


def weights_of(days: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the weights of examples, (n,) float32 with mean 1: recent ones weigh more, because the demand changes.

    Args:
        days: (n,) ordinal numbers of the dates.
        settings: Settings of the training.
    """
    recent = np.exp((days - days.max()) / settings.days)
    weights = settings.constant + (1 - settings.constant) * recent
    return (weights / weights.mean()).astype(np.float32)


class Model:
    """Encoder `Basket`, a head tied to its token vectors with the cosine, and `Repeats`.

    Args:
        products: Number of products.
        counts: (products,) weighted number of labels of each product.
        latest: (n,) ordinal numbers of the dates of the latest baskets of the histories.
        settings: Settings of the training.
    """

    def __init__(self, products: int, counts: np.ndarray, latest: np.ndarray, settings: Settings) -> None:
        self.first_day = int(latest.min())
        self.weeks = 1 + int(latest.max() - self.first_day) // 7
        self.encoder = Basket(
            ids=products + 1,
            ages=50,
            embedding=settings.width,
            projection="none",
            input_dropout=settings.input_dropout,
            hidden=settings.width,
            activation="linear",
            normalize=False,
            numbers=(),
            categories={WEEK: self.weeks} if settings.week_embedding else {},
            feature_embedding=max(1, settings.week_embedding),
            seed=settings.seed,
        )
        self.encoder.build({"input_ids": (None, 1)})
        # The output starts as the attention-weighted mean, to which the layer adds nothing.
        self.encoder.hidden.kernel.assign(tf.zeros_like(self.encoder.hidden.kernel))
        self.head = SampledSoftmax(
            counts, similarity="cosine", temperature=settings.temperature, tied_to=self.encoder, seed=settings.seed
        )
        self.head.build((None, settings.width))
        self.repeats = Repeats(products)
        self.repeats.build()

    @property
    def variables(self) -> list[keras.Variable]:
        """Trained weights."""
        return [v for layer in (self.encoder, self.head, self.repeats) for v in layer.trainable_variables]

    def losses(
        self, ids: tf.Tensor, ages: tf.Tensor, latest: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Return the loss of each example of a training batch, (batch,) float32 nats."""
        return self.repeats.row_losses(self._softmax(ids, ages, latest, seed), ids, ages, Labels.of(labels))

    def top(self, ids: tf.Tensor, ages: tf.Tensor, latest: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the k most probable products of each example, (batch, k) int32, and their probabilities."""
        softmax = self._softmax(ids, ages, latest, None)
        found = self.repeats.sweep_several(softmax, ids, ages, Labels.none(), k)
        return found.ids, found.probabilities

    def _softmax(
        self, ids: tf.Tensor, ages: tf.Tensor, latest: tf.Tensor, seed: tf.Tensor | None
    ) -> tuple[tf.Tensor, ...]:
        week = tf.clip_by_value((latest - self.first_day) // 7, 0, self.weeks - 1)
        hidden = self.encoder({"input_ids": ids, "ages": ages, WEEK: week}, seed)
        return self.head.scaled(hidden), *self.head.all_rows()


def train(examples: Examples, products: int, settings: Settings, say: Callable[[str], None]) -> Model:
    """Train a model on all examples.

    Args:
        examples: Examples of the training.
        products: Number of products, which is also the id of padding.
        settings: Settings of the training.
        say: Receives progress messages.
    """
    weights = weights_of(examples.days, settings)
    present = examples.labels >= 0
    shares = np.where(present, (weights / present.sum(axis=1))[:, np.newaxis], 0.0)
    counts = np.bincount(examples.labels[present], shares[present], products)
    model = Model(products, np.maximum(1, np.rint(10 * counts)), examples.latest, settings)
    steps = settings.epochs * (len(examples) // settings.batch)
    optimizer = FusedAdam(WarmupCosine(settings.learning_rate, steps, min(settings.warmup, steps - 1)), beta_2=0.99)
    optimizer.build(model.variables)

    @tf.function(
        input_signature=[_INPUTS, _INPUTS, _DAYS, _INPUTS, tf.TensorSpec([None]), tf.TensorSpec([2], tf.int32)]
    )
    def step(
        ids: tf.Tensor, ages: tf.Tensor, latest: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(weights * model.losses(ids, ages, latest, labels, seed))
        gradients = tape.gradient(loss, [v.value for v in model.variables])
        optimizer.apply_gradients(zip(gradients, model.variables, strict=True))
        return loss

    rng, number = np.random.default_rng(settings.seed), 0
    for epoch in range(1, settings.epochs + 1):
        losses = []
        order = rng.permutation(len(examples))
        for start in range(0, len(examples) - settings.batch + 1, settings.batch):
            chosen = order[start : start + settings.batch]
            seed = step_seed(settings.seed, tf.constant(number))
            losses.append(step(*_cut(examples, chosen), tf.constant(weights[chosen]), seed))
            number += 1
        say(f"epoch {epoch} of {settings.epochs}: loss {np.mean(losses):.3f}")
    return model


def ranked(models: Sequence[Model], examples: Examples, k: int) -> np.ndarray:
    """Return the k most probable products of each example by the mean probability of the models, (n, k).

    Args:
        models: Trained models.
        examples: Examples whose labels are not read.
        k: Number of products.
    """
    batches = np.array_split(np.arange(len(examples)), -(-len(examples) // 1_024))
    found = []
    for model in models:
        kept = min(model.head.classes, _KEPT)

        @tf.function(input_signature=[_INPUTS, _INPUTS, _DAYS])
        def top(
            ids: tf.Tensor, ages: tf.Tensor, latest: tf.Tensor, model: Model = model, kept: int = kept
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return model.top(ids, ages, latest, kept)

        tops = [top(*_cut(examples, batch)[:3]) for batch in batches]
        found.append([np.concatenate([part.numpy() for part in parts]) for parts in zip(*tops, strict=True)])
    return np.stack([best(ids, probabilities, k) for ids, probabilities in zip(*_rows(found), strict=True)])


def _rows(found: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of all models and their probabilities, one row for each example."""
    ids, probabilities = zip(*found, strict=True)
    return np.concatenate(ids, axis=1), np.concatenate(probabilities, axis=1)


def best(ids: np.ndarray, probabilities: np.ndarray, k: int) -> np.ndarray:
    """Return the k products with the largest sums of probabilities."""
    products, places = np.unique(ids, return_inverse=True)
    return products[np.argsort(-np.bincount(places, probabilities), kind="stable")[:k]]


def _cut(examples: Examples, chosen: np.ndarray) -> tuple[tf.Tensor, ...]:
    """Return ids, ages, latest dates and labels of some examples, without columns in which all have only padding."""
    return tuple(tf.constant(columns) for columns in _columns(examples, chosen))


def _columns(examples: Examples, chosen: np.ndarray) -> Iterator[np.ndarray]:
    ages, labels = examples.ages[chosen], examples.labels[chosen]
    # At least one column, which a layer may read.
    longest = max(1, int((ages > 0).sum(axis=1).max()))
    yield examples.ids[chosen][:, -longest:]
    yield ages[:, -longest:]
    yield examples.latest[chosen]
    yield labels[:, : max(1, int((labels >= 0).sum(axis=1).max()))]
