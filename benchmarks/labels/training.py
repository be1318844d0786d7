"""Training on the known products, and the rankings of known products and of those that are held out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.labels.data import COST, PRICE, SUBCLASS, Queries, Split
from components.labels.features import FittedFeatures
from components.labels.reading import Items
from components.labels.spec import LabelsSpec
from components.layers.optimization.schedule import WarmupCosine
from components.training.data.layout import Layout
from components.training.examples import examples_of
from components.training.export.growing import arguments
from components.training.label_features import FeaturesOfLabels
from components.training.loop.plan import make_plan
from components.training.model import VocabularyClassifier, build_model
from components.training.optimizer import make_optimizer
from components.training.spec import TrainerSpec

TRAINER: dict[str, Any] = {
    "model": {
        "kind": "recurrent",
        "cell": "lstm",
        "context": 64,
        "embedding": 128,
        "projection": 128,
        "units": 128,
        "dropout": 0.3,
        "tie": True,
    },
    "batch": 4_096,
    "epochs": 3,
}
"""Trainer of all forms: a smaller one than that of the preset `next_product`, without a mixture."""
CROSSED = "subclass and price"
"""Feature that is made of two: the subclass, and the eighth of the prices that a price is in."""
_RANGES = 8
_BATCH = 1_024


@dataclass(frozen=True)
class Form:
    """Form of the features of labels.

    Attributes:
        features: Features by column, as in `labels.features`. Empty: no features.
        options: Further keys of `labels`.
    """

    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def spec(self) -> LabelsSpec | None:
        """Return the configuration, whose file is not read; None without features."""
        if not self.features:
            return None
        return LabelsSpec.model_validate({"file": "-", "key": "product", "features": self.features, **self.options})


_CATEGORY, _NUMBER = {"kind": "category"}, {"kind": "number"}
_FEATURES = {SUBCLASS: _CATEGORY, PRICE: _NUMBER, COST: _NUMBER}
NO_FEATURES, DEFAULT = "no features", "features"
FORMS = {
    NO_FEATURES: Form(),
    DEFAULT: Form(_FEATURES),
    "features - own_dropout 0": Form(_FEATURES, {"own_dropout": 0.0}),
    "features - own_dropout 0.05": Form(_FEATURES, {"own_dropout": 0.05}),
    "features - own_dropout 0.2": Form(_FEATURES, {"own_dropout": 0.2}),
    "features - prices as categories": Form({SUBCLASS: _CATEGORY, PRICE: _CATEGORY, COST: _CATEGORY}),
    "features - crossed": Form({**_FEATURES, CROSSED: _CATEGORY}),
}
"""Forms by name. A name has no comma, which separates the names of `--only`."""


def crossed(items: Items, known: Sequence[str]) -> Items:
    """Return the items with the feature `CROSSED`.

    Args:
        items: Features of all products.
        known: Products whose prices determine the ranges.
    """
    prices = np.array([float(items[name][PRICE]) for name in known])
    edges = np.unique(np.quantile(prices, np.linspace(0, 1, _RANGES + 1)[1:-1]))
    places = {name: int(np.searchsorted(edges, float(item[PRICE]))) for name, item in items.items()}
    return {name: {**item, CROSSED: f"{item[SUBCLASS]}/{places[name]}"} for name, item in items.items()}


@dataclass(frozen=True)
class Trained:
    """Model that is trained on the known products.

    Attributes:
        split: Products.
        items: Features of all products, with `CROSSED`.
        layout: Layout of an example.
        model: Trained model.
        fitted: Vocabularies and moments of the features; None without features.
    """

    split: Split
    items: Items
    layout: Layout
    model: VocabularyClassifier
    fitted: FittedFeatures | None

    def known(self, queries: Queries, k: int) -> np.ndarray:
        """Return the k most probable known products for each customer, (customers, k)."""
        return self._ranked(queries, *self.model.label.head.all_rows(), k)

    def held_out(self, queries: Queries, k: int) -> np.ndarray:
        """Return the k most probable products among those that are held out, (customers, k), by features alone."""
        assert self.fitted is not None
        table = self.fitted.table(self.items, self.split.held_out, np.zeros(len(self.split.held_out), int).tolist())
        given = arguments(table)
        bags = {name: (given[f"entries_{i}"], given[f"sizes_{i}"]) for i, name in enumerate(table.bags)}
        vectors, bias = self.model.label.head.unseen_rows(bags, given["numbers"])
        return self.split.known + self._ranked(queries, vectors, bias, k)

    def _ranked(self, queries: Queries, vectors: Any, bias: Any, k: int) -> np.ndarray:
        vectors, bias = tf.convert_to_tensor(vectors), tf.convert_to_tensor(bias)

        signature = [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, 2], tf.int32)]

        @tf.function(input_signature=signature, autograph=False)
        def best(ids: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
            hidden = self.model.encoder.encode({"input_ids": ids}, places)
            return tf.math.top_k(tf.matmul(self.model.label.head.scaled(hidden), vectors, transpose_b=True) + bias, k)[
                1
            ]

        found = []
        for start in range(0, len(queries.histories), _BATCH):
            ids, last = _padded(queries.histories[start : start + _BATCH], self.layout, self.split.known)
            found.append(best(ids, np.stack([np.arange(len(ids), dtype=np.int32), last], axis=1)).numpy())
        return np.concatenate(found)


def train(split: Split, form: Form, trainer: Mapping[str, Any], say: Callable[[str], None], seed: int = 1) -> Trained:
    """Train a model on the known products of the train split.

    Args:
        split: Products.
        form: Form of the features of labels.
        trainer: Fields that differ from the default `TrainerSpec`.
        say: Receives progress messages.
        seed: Seed of the training.
    """
    spec = TrainerSpec.model_validate({**trainer, "seed": seed})
    # One id for products that are not known, and one for positions without a product.
    layout = Layout("sequence", spec.model.context, split.known + 1, (), {}, whole_rows=spec.model.causal)
    names, counts = list(split.names[: split.known]), split.counts.tolist()
    items, of_labels, features = crossed(split.items, names), form.spec(), None
    if of_labels is not None:
        features = FeaturesOfLabels.of(of_labels, items, names, counts)
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "train.gz")
        _write(split, file)
        examples = examples_of([file], [file], layout, spec.seed, replicas=1)
        plan = make_plan(spec, examples.count, replicas=1, least_batch=examples.least_batch)
        table = (features.table, features.own_dropout) if features is not None else ()
        model = build_model(spec, layout, counts, None, *table)
        schedule = WarmupCosine(spec.learning_rate, plan.steps, plan.warmup)
        model.compile_with(make_optimizer(spec.optimizer, schedule))
        batches = examples.training(plan.batch, plan.steps_per_pass, skip=0)
        # Without AutoGraph, as the Trainer: it would take seconds.
        step = tf.function(model.train_step, input_signature=[batches.element_spec], autograph=False)
        for number, batch in enumerate(batches.take(plan.steps), start=1):
            loss = step(batch)["loss"]
            if number % plan.steps_per_pass == 0:
                say(f"  {number:,} of {plan.steps:,} steps: loss {float(loss):.3f}")
                model.reset_metrics()
    return Trained(split, items, layout, model, None if features is None else features.fitted)


def _write(split: Split, file: str) -> None:
    """Write the train split in the format of Transform."""
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for row in split.train:
            known = (row >= 0) & (row < split.known)
            example = tf.train.Example()
            feature = example.features.feature
            feature["input_ids"].int64_list.value.extend(np.where(known, row, split.known))
            feature["label_ids"].int64_list.value.extend(np.where(known, row, -1))
            writer.write(example.SerializeToString())


def _padded(histories: Sequence[np.ndarray], layout: Layout, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the last products, (rows, K) int32 padded on the right, and the position of the last of each.

    Args:
        histories: Products of each row.
        layout: Layout of an example.
        known: Number of known products, which is also the id of all others.
    """
    latest = [history[-layout.context :] for history in histories]
    ids = np.full((len(latest), max(map(len, latest))), layout.padding, np.int32)
    for row, products in zip(ids, latest, strict=True):
        row[: len(products)] = np.where((products >= 0) & (products < known), products, known)
    return ids, np.array([len(products) - 1 for products in latest], np.int32)
