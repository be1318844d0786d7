"""Servable model, which maps raw columns to label strings and probabilities, or to numbers.

Signatures:

    serving_default   examples (batch,) serialized tf.Examples -> labels (batch, k), probabilities (batch, k); if the
                      label is a number, values (batch,). The probabilities of all classes sum to 1 or, for several
                      labels with the loss `sigmoid`, are those of each class by itself. For each further target,
                      <name> (batch,): the most probable value of a category, with <name>_probability (batch,); or the
                      value of a number. Labels may be found by an approximate search, see
                      `components.layers.classes.clusters`
    predict           columns by name: tokens (batch, length) padded with "", categories (batch,) with "" if missing,
                      numbers (batch,) with NaN if missing; token features (batch, length), each value at the place of
                      its token, padded with "" or NaN; the column of the baskets likewise -> the same outputs as
                      serving_default, always exact
    eval              examples (batch,) with their labels and targets -> (batch,) sums, one output for each name in the
                      `sum_names` of `components.metrics.targets`; float32, or float64 for numbers
    query, encode,    vectors of rows and of classes, if the label is a class: see `components.training.export.vectors`
    classes

In shape `sequence`, the first two signatures predict the token that follows the given tokens. Numbers are in the units
of their columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import tensorflow as tf
import tensorflow_transform as tft

from components.files import read_text
from components.ingest.spec import PROBABILITY, DataSpec
from components.layers.classes.clusters import ClusterIndex
from components.layers.classes.softmax import in_chunks
from components.layers.classes.unseen import unseen_ranks
from components.layers.outputs import ClassOutput
from components.metrics.bands import BandSpec
from components.metrics.rows import by_row, label_values
from components.metrics.targets import further_targets, label_target
from components.names import FIRST_LABEL, key_of, name_of
from components.preprocessing.preprocessing import BASKET
from components.preprocessing.vocabulary import category_file, unescape_tensor
from components.training.data.layout import LABEL, Batch, Layout
from components.training.data.values import model_inputs, model_targets
from components.training.data.weights import WEIGHT
from components.training.data.windows import Windows, last_windows, windows_of
from components.training.export.columns import Columns, all_values, dense, entry_table, has_value, present_values
from components.training.export.seen import SeenClasses, class_ids, classes_of
from components.training.export.vectors import Vectors
from components.training.model import VocabularyClassifier
from components.training.rows.cuts import Cuts
from components.training.rows.hidden import looked_up

# Windows that are encoded at a time.
WINDOWS = 1_024
# Positions of whole rows that are encoded at a time, with padding.
POSITIONS = 8_192
_OF_SEVERAL = {
    "nll": tf.float32,
    "rank": tf.int32,
    "size": tf.float32,
    "known_size": tf.float32,
    "first": tf.bool,
    "inverse": tf.float32,
    "ideal": tf.int32,
}
"""Values of each of several labels, and their types: see `ClassOutput.row_values`."""
_NUMBER, _INTEGER, _BOOLEAN = (tf.TensorSpec([], dtype) for dtype in (tf.float32, tf.int32, tf.bool))


class Servable(tf.Module):
    """Module that maps raw columns to predictions, and contains the vocabulary tables.

    Args:
        model: Trained model, created outside any distribution strategy.
        transform: Output of Transform, whose graph is included in this module.
        data: Meaning of the columns.
        layout: Layout of a window.
        bands: Bands of labels, for the sums of `eval`.
        top_k: Number of predicted labels per row.
        own: Paths of the user-defined metrics, whose sums `eval` also returns.
        exclude_seen: True to remove classes that the row already contains from the ranking of `eval`. A label that the
            row already contains then counts as a miss.
        threshold: Probability from which a class counts as one of several labels; None if a row has one label.
        index: Index for an approximate search of the labels of `serving_default`. None: exact answers.
    """

    def __init__(
        self,
        model: VocabularyClassifier,
        transform: tft.TFTransformOutput,
        data: DataSpec,
        layout: Layout,
        bands: BandSpec,
        top_k: int,
        own: Sequence[str] = (),
        exclude_seen: bool = False,
        threshold: float | None = None,
        index: ClusterIndex | None = None,
    ) -> None:
        super().__init__()
        self.threshold, self.index = threshold, index
        self.model, self.data, self.layout, self.bands = model, data, layout, bands
        self.targets = (label_target(data, own), *further_targets(data, own))
        self.classes = {name: o.head.classes for name, o in model.answers.items() if isinstance(o, ClassOutput)}
        self.top_k = min(top_k, self.classes[LABEL]) if LABEL in self.classes else None
        self.transform = transform.transform_features_layer()
        self._raw = transform.raw_feature_spec()
        files = {key: "labels" if key == LABEL else category_file(name_of(key)) for key in self.classes}
        paths = {name: str(transform.vocabulary_file_by_name(file)) for name, file in files.items()}
        self.tables = {name: entry_table(path) for name, path in paths.items()}
        # Replacing texts takes 5% of the time of a prediction, and few vocabularies have texts to replace.
        # Labels that are added to the export later may have texts to replace.
        self.escaped = {name: "\\" in read_text(path) or (name == LABEL and self.grows) for name, path in paths.items()}
        self.exclude_seen = exclude_seen and LABEL in self.classes
        # Transform computes the classes of the tokens only for shape `sequence`.
        looked_up = self.exclude_seen and data.shape == "labelled"
        self._class_ids = class_ids(transform.vocabulary_file_by_name("labels")) if looked_up else None

    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `serving_default`."""
        return self._answer(self._parse(examples, self._inputs), self.index)

    def columns(self, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `predict`."""
        of_tokens = self.data.token_columns
        return self._answer(
            {
                name: all_values(column) if name in of_tokens else present_values(column)
                for name, column in columns.items()
            }
        )

    def evaluate(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature `eval`."""
        label = [self.data.label] if self.data.label else []
        own = [FIRST_LABEL] if self.layout.splits_positions else []
        columns = self._parse(examples, (*self._inputs, *label, *own, *self.data.targets, *self.data.weights))
        features, rows = self._transformed(columns), tf.shape(examples)[0]
        windows = windows_of(features, self.layout)
        targets = model_targets(windows, features, self.layout)
        weights = {WEIGHT: targets.pop(WEIGHT)} if self.layout.weighted else {}
        seen = self._seen(columns, features, windows, rows) if self.exclude_seen else None

        def measured(name: str, hidden: tf.Tensor, counted: tf.Tensor | None, part: slice) -> tuple[tf.Tensor, ...]:
            output, context = self.model.answers[name], self.model.context(name, counted)
            asked = {"confidence": True} if "confidence" in made[name] else {}
            values = output.row_values(hidden, targets[name][part], **context, **asked)
            if seen is not None and name == LABEL:
                scores = output.scorer(hidden, **context)
                before, misses = seen.of(part.start, part.stop), self.classes[name] + 1
                rank = unseen_ranks(values["label"], values["rank"], before, scores, hidden.shape[1], misses)
                values["rank"] = rank
            return tuple(values[value] for value in made[name])

        made = {name: self._row_values(name) for name in targets}
        like = {name: tuple(specs.values()) for name, specs in made.items()}
        found = self._outputs(windows, features, measured, like)
        sums: dict[str, tf.Tensor] = {}
        for target in self.targets:
            name = key_of(target.column) if target.column else LABEL
            values = dict(zip(made[name], found[name], strict=True)) | weights
            if target.kind == "number":
                values |= {"number": targets[name], "mean": self.model.answers[name].mean}
            else:
                values["label"] = targets[name]
            given = tf.gather(has_value(columns[target.column], rows), windows.rows) if target.kind == "class" else None
            bands = self.bands if len(target.bands) > 1 else None
            contributions = label_values(target.sums, values, bands=bands, given=given)
            contributions |= label_values(target.model_sums, values, given=given)
            added = by_row(contributions, windows.rows, rows)
            sums |= {target.name(name): value for name, value in added.items()}
        return sums

    @property
    def vectors(self) -> Vectors | None:
        """Signatures of the vectors of rows and of classes; None if the label is a number."""
        if LABEL not in self.classes:
            return None
        return Vectors(self.model, self.layout, lambda examples: self._transformed(self._parse(examples, self._inputs)))

    @property
    def grows(self) -> bool:
        """True if labels can be added to the export: see `components.training.export.growing`."""
        label = self.model.label
        return self.model.label_features is not None and getattr(label, "mixture", None) is None

    def column_signature(self) -> dict[str, tf.TensorSpec]:
        """Return the shapes and types of the inputs of `predict`, by column."""
        kinds = {"number": tf.float32, "category": tf.string}
        features = {name: tf.TensorSpec([None], kinds[of.kind]) for name, of in self.data.features.items()}
        of_tokens = {
            name: tf.TensorSpec([None, None], tf.string if is_text else tf.float32)
            for name, is_text in self.data.token_columns.items()
        }
        return {**dict.fromkeys(self.data.inputs, tf.TensorSpec([None, None], tf.string)), **features, **of_tokens}

    @property
    def _inputs(self) -> tuple[str, ...]:
        """Names of the columns that a prediction reads."""
        return (*self.data.inputs, *self.data.features, *self.data.token_columns)

    def _parse(self, examples: tf.Tensor, names: tuple[str, ...]) -> Columns:
        # Parsed as variable-length even if the schema has a fixed shape: a row of a request may lack a feature.
        spec = {name: tf.io.VarLenFeature(self._raw[name].dtype) for name in names}
        return tf.io.parse_example(examples, spec)

    def _transformed(self, columns: Columns) -> Batch:
        raw = {
            name: column if isinstance(self._raw[name], tf.io.VarLenFeature) else dense(column, self._raw[name].shape)
            for name, column in columns.items()
        }
        # Calls the graph without the wrapping of the Keras layer, which AutoGraph would convert.
        out = dict(self.transform.call(raw))
        for name in ("input_ids", "label_ids", BASKET, *self.layout.per_token):
            if name in out:
                sparse = out[name]
                # Rows may have gaps if columns were joined. Only the order of the values matters, and needs no check.
                out[name] = tf.RaggedTensor.from_value_rowids(
                    sparse.values, sparse.indices[:, 0], nrows=sparse.dense_shape[0], validate=False
                )
        return out

    def _row_values(self, name: str) -> dict[str, tf.TensorSpec]:
        """Return the types of the `row_values` that the sums of an output need, by name."""
        if name not in self.classes:
            return {"answer": _NUMBER}
        of_class = {"nll": _NUMBER, "rank": _INTEGER}
        if name != LABEL:
            return of_class
        if self.layout.several_labels:
            of_labels = {value: tf.TensorSpec([None], dtype) for value, dtype in _OF_SEVERAL.items()}
            return {**of_labels, "confidence": _NUMBER, "correct": _NUMBER}
        return {**of_class, "confidence": _NUMBER, "correct": _BOOLEAN}

    def _seen(self, columns: Columns, features: Batch, windows: Windows, rows: tf.Tensor) -> SeenClasses:
        """Return the classes that the rows contain before each window."""
        if self._class_ids is None:
            return SeenClasses(features["label_ids"], windows.starts, windows.ends)
        ids = classes_of([columns[name] for name in self.data.inputs], self._class_ids, rows)
        return SeenClasses(ids, ids.row_starts(), ids.row_limits())

    def _answer(self, columns: Columns, index: ClusterIndex | None = None) -> dict[str, tf.Tensor]:
        features = self._transformed(columns)
        windows = last_windows(features["input_ids"], features.get(BASKET))

        def answered(name: str, hidden: tf.Tensor, counted: tf.Tensor | None, part: slice) -> tuple[tf.Tensor, ...]:
            del part
            output = self.model.answers[name]
            if name not in self.classes:
                return (output(hidden),)
            if name == LABEL and index is not None:
                return tuple(output.approximate(hidden, index, self._asked(name)))
            if name == LABEL and self.layout.several_labels:
                several = output.sweep_several(hidden, k=self._asked(name), **self.model.context(name, counted))
                return several.ids, several.probabilities
            found = output.sweep(hidden, k=self._asked(name), **self.model.context(name, counted))
            return found.ids, found.probabilities

        asked = {name: ([self._asked(name)], name in self.classes) for name in self.model.answers}
        like = {
            name: (tf.TensorSpec(k, tf.int32), tf.TensorSpec(k, tf.float32)) if classes else (_NUMBER,)
            for name, (k, classes) in asked.items()
        }
        answer: dict[str, tf.Tensor] = {}
        for name, found in self._outputs(windows, features, answered, like).items():
            if name not in self.classes:
                answer["values" if name == LABEL else name_of(name)] = found[0]
                continue
            ids, probabilities = found
            strings = self.tables[name].lookup(tf.cast(ids, tf.int64))
            if self.escaped[name]:
                strings = unescape_tensor(strings)
            if name == LABEL:
                answer |= {"labels": strings, "probabilities": probabilities}
            else:
                answer |= {name_of(name): strings[:, 0], f"{name_of(name)}{PROBABILITY}": probabilities[:, 0]}
        return answer

    def _outputs(
        self,
        windows: Windows,
        features: Batch,
        of: Callable[[str, tf.Tensor, tf.Tensor | None, slice], tuple[tf.Tensor, ...]],
        like: dict[str, tuple[tf.TensorSpec, ...]],
    ) -> dict[str, tuple[tf.Tensor, ...]]:
        """Apply a function to the hidden vectors of all windows, one chunk at a time, for each output.

        Args:
            windows: Windows.
            features: Features of the rows of the windows.
            of: Function that takes the name of a target, the hidden vectors of a chunk, the tokens that a mixture or
                repeats look up (None without both), and the slice of the windows in the chunk.
            like: Shapes and types of the results of `of` for one window, by name.

        Returns:
            Results of `of` for all windows, by name.
        """
        encoder, layout = self.model.encoder, self.layout

        def chunk(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, ...]:
            inputs = model_inputs(windows.take(tf.range(start, end)), features, layout)
            return made(encoder(inputs), looked_up(inputs), slice(start, end))

        def chunk_of_rows(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, ...]:
            part = cuts.take(tf.range(start, end))
            inputs = part.inputs(features, layout)
            hidden = encoder.encode(inputs, part.places())
            return made(hidden, part.counted, slice(cuts.firsts[start], cuts.firsts[end]))

        def made(hidden: tf.Tensor, counted: tf.Tensor | None, part: slice) -> tuple[tf.Tensor, ...]:
            return tuple(itertools.chain.from_iterable(of(name, hidden, counted, part) for name in like))

        specs = tuple(itertools.chain.from_iterable(like.values()))
        if layout.whole_rows:
            cuts = Cuts.of(windows, features, layout)
            size = tf.maximum(1, POSITIONS // tf.reduce_max(tf.concat([cuts.lengths, [1]], 0)))
            flat = in_chunks(cuts.count, size, chunk_of_rows, specs)
        else:
            flat = in_chunks(windows.count, WINDOWS, chunk, specs)
        results = iter(flat)
        return {name: tuple(itertools.islice(results, len(specs))) for name, specs in like.items()}

    def _asked(self, name: str) -> int:
        """Return the number of classes in a prediction of an output."""
        return self.top_k if name == LABEL else 1
