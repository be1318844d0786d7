"""Tests of vocabularies against those of Transform itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.beam import common
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.compat.transform import CountTokens
from components.preprocessing import counting
from components.preprocessing.counting import Counted

pytestmark = pytest.mark.slow

BEAM = PipelineOptions(["--runner=FnApiRunner"])
TEXT = "the state of the union the union of states a b c d e f the a é ü 联 with__SPACE__space"
ROWS = [{"words": [*TEXT.split()[n % 7 :: 2], *(["", "line\nbreak"] if n % 5 == 0 else [])]} for n in range(60)]
METADATA = dataset_metadata.DatasetMetadata(
    schema_utils.schema_from_feature_spec({"words": tf.io.VarLenFeature(tf.string)})
)


def analyzed(function: Callable[[tf.SparseTensor], Any], folder: Path) -> tft.TFTransformOutput:
    """Run a function that creates vocabularies of `words`."""

    def preprocess(inputs: dict[str, Any]) -> dict[str, Any]:
        function(inputs["words"])
        return inputs

    folder.mkdir(exist_ok=True)
    with beam.Pipeline(options=BEAM) as pipeline, tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=folder)):
        raw = pipeline | beam.Create(ROWS)
        _ = (raw, METADATA) | tft_beam.AnalyzeDataset(preprocess) | tft_beam.WriteTransformFn(str(folder))
    return tft.TFTransformOutput(str(folder))


def lines(output: tft.TFTransformOutput, name: str) -> list[str]:
    return Path(str(output.vocabulary_file_by_name(name))).read_text().splitlines()


@pytest.mark.parametrize(
    ("size", "least"),
    [(4, 1), pytest.param(100, 1), pytest.param(100, 30)],
)
def test_the_files_are_those_of_tft_vocabulary(size: int, least: int, tmp_path: Path) -> None:
    ours = analyzed(lambda words: Counted(words, "counts").file("ours", size, least), tmp_path / "ours")

    def by_transform(words: tf.SparseTensor) -> None:
        tft.vocabulary(words, top_k=size, frequency_threshold=least, vocab_filename="its", store_frequency=True)

    its = analyzed(by_transform, tmp_path / "its")
    assert lines(ours, "ours") == lines(its, "its")
    assert lines(ours, "ours")[0].endswith(" the")


def test_counts_that_are_put_down_early_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = analyzed(lambda words: Counted(words, "counts").file("tokens", 100), tmp_path / "whole")
    monkeypatch.setattr(counting, "_HELD", 2)
    parts = analyzed(lambda words: Counted(words, "counts").file("tokens", 100), tmp_path / "parts")
    assert lines(whole, "tokens") == lines(parts, "tokens")


def test_two_files_of_the_same_tokens_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    class Watched(counting._CountInBatches):
        def expand(self, input_or_inputs: Any) -> Any:
            counted.append(1)
            return super().expand(input_or_inputs)

    watched = common._PtransformWrapper()
    watched.add_ptransform(Watched, None)
    monkeypatch.setitem(common._PTRANSFORM_BY_OPERATION_DEF_SUBCLASS, CountTokens, watched)

    def both(words: tf.SparseTensor) -> None:
        counts = Counted(words, "tokens")
        counts.file("inputs", 3)
        counts.file("labels", 5)

    output = analyzed(both, tmp_path)
    assert len(counted) == 1
    assert lines(output, "labels")[:3] == lines(output, "inputs")
    assert len(lines(output, "labels")) == 5
