"""Output of Transform that a training reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow_transform as tft

from components.files import matching
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import Vocabulary, category_file, read_vocabulary, vocabularies
from components.training.data.layout import Layout
from components.training.spec import TrainerSpec


@dataclass(frozen=True)
class Transformed:
    """Transformed examples and their vocabularies.

    Attributes:
        spec: Columns, targets and shape.
        bands: Bands of labels.
        transform: Graph of Transform, with the vocabularies.
        vocabularies: Vocabulary `inputs` and, if the label is a class, vocabulary `labels`.
        layout: Layout of a training example.
        train_files: TFRecords (gzip) of the train split.
        eval_files: TFRecords (gzip) of the eval split.
    """

    spec: DataSpec
    bands: BandSpec
    transform: tft.TFTransformOutput
    vocabularies: dict[str, Vocabulary]
    layout: Layout
    train_files: list[str]
    eval_files: list[str]

    @classmethod
    def of(cls, fn_args: Any, trainer: TrainerSpec) -> Transformed:
        """Find the data of a training.

        Args:
            fn_args: `tfx.components.FnArgs`, with the specs `data`, `vocabulary` and `bands` in its `custom_config`.
            trainer: Configuration of the model and its training.

        Raises:
            ValueError: A split has no files.
        """
        config = fn_args.custom_config
        spec = DataSpec.model_validate_json(config["data"])
        transform = tft.TFTransformOutput(fn_args.transform_output)
        found = vocabularies(transform)
        buckets = VocabularySpec.model_validate_json(config["vocabulary"]).num_oov_buckets
        ids, whole_rows = len(found["inputs"]) + buckets, trainer.whole_rows(spec.shape, spec.baskets is not None)
        layout = Layout.of(spec, transform, trainer.model.context, ids, whole_rows, trainer.head.repeats)
        return cls(
            spec,
            BandSpec.model_validate_json(config["bands"]),
            transform,
            found,
            layout.counting(trainer.head.mixture, len(found["inputs"]), len(found.get("labels", ()))),
            _expand(fn_args.train_files),
            _expand(fn_args.eval_files),
        )

    @property
    def input_tokens(self) -> list[str]:
        """Input tokens by id."""
        return self.vocabularies["inputs"].tokens

    @property
    def label_counts(self) -> list[int]:
        """Occurrences of each label in the train split, by id; empty if the label is a number."""
        return self.vocabularies["labels"].counts.tolist() if "labels" in self.vocabularies else []

    def tokens(self) -> dict[str, list[str]]:
        """Return the tokens of all vocabularies by id; the vocabulary of a category is `category_<column>`."""
        columns = {**self.spec.features, **self.spec.token_features, **self.spec.targets}
        files = [category_file(name) for name, column in columns.items() if column.kind == "category"]
        categories = {name: read_vocabulary(self.transform.vocabulary_file_by_name(name)) for name in files}
        return {name: vocabulary.tokens for name, vocabulary in {**self.vocabularies, **categories}.items()}


def _expand(patterns: list[str]) -> list[str]:
    files = matching(patterns)
    if not files:
        raise ValueError(f"no file matches {', '.join(patterns)}")
    return files
