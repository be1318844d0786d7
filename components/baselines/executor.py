"""Executor of the Baselines node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray
from pydantic import TypeAdapter
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.baselines.ngrams import Baselines
from components.baselines.outside import Outside, UnknownLabels
from components.baselines.reading import Encoder, read_records
from components.baselines.results import write_baselines
from components.baselines.several.baselines import SeveralBaselines
from components.baselines.targets import TargetBaselines
from components.choices import merged, read_choices
from components.files import matching
from components.ingest.counts import rows_of
from components.ingest.driver import SPAN_NAME
from components.ingest.spans.rolling_range import span_of
from components.ingest.spec import DataSpec
from components.layers.mixture.spec import Mixture
from components.messages import counting
from components.metrics.bands import BandSpec
from components.metrics.targets import ROW_NUMBER, label_target
from components.names import ROWS
from components.preprocessing.vocabulary import Vocabulary, category_file, read_vocabulary, vocabularies

TRAIN, EVAL, TEST = "train", "eval", "test"


class BaselinesExecutor(base_executor.BaseExecutor):
    """Executor that counts on the train split and measures on the test split.

    It counts n-grams of the label, or the tokens and labels of rows that may have several labels, frequencies of each
    further target that is a category, and the mean of each number. It writes the sums of each baseline into a copy of
    the test rows.
    """

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Run the node.

        Args:
            input_dict: `examples`, raw rows with all splits; `transform_graph`, with the vocabularies;
                `choices`, values of unset keys.
            output_dict: `baselines`, which gets `baselines.json`, with the labels outside the vocabulary of each split,
                and for data in spans with the out-of-vocabulary rates of each span; `test_examples`, which gets the
                test split with a feature for each baseline and the number of the row.
            exec_properties: `data` and `bands`, specs as JSON; `metrics`, the paths of a user's own metrics as JSON;
                `exclude_seen`, 1 to remove seen items from the ranking; `mixture`, this key of `trainer.head` as JSON,
                if the configuration sets it, and `loss` if rows may have several labels.

        Raises:
            ValueError: A split is missing, or has no label to count or measure.
        """
        data = DataSpec.model_validate_json(exec_properties["data"])
        bands = BandSpec.model_validate_json(exec_properties["bands"])
        own = json.loads(exec_properties.get("metrics") or "[]")
        examples = input_dict["examples"]
        graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        transform = tft.TFTransformOutput(graph)
        known = vocabularies(transform)
        encoder = Encoder(data, known["inputs"], known.get("labels"))
        exclude_seen = bool(exec_properties.get("exclude_seen"))
        label = label_target(data, own, exclude_seen)
        choices = read_choices(artifact_utils.get_single_uri(input_dict["choices"]))
        head = merged(choices.trainer.get("head", {}), json.loads(exec_properties["mixture"]))
        mixture = TypeAdapter(Mixture).validate_python(head.get("mixture"))
        most = mixture.max_ngrams if mixture else None
        counted: Baselines | SeveralBaselines | None = None
        if label.kind == "label":
            counted = Baselines(data.shape, label, encoder, bands, exclude_seen, most)
        elif label.kind == "several":
            counted = SeveralBaselines(label, encoder, bands, head.get("loss") or "softmax")
        targets = TargetBaselines(data, _target_vocabularies(data, transform), own)

        unknown = {split: UnknownLabels() for split in (TRAIN, EVAL, TEST)}
        output = artifact_utils.get_single_instance(output_dict["test_examples"])
        _describe(output, artifact_utils.get_single_instance(examples[:1]))
        folder = artifact_utils.get_split_uri([output], TEST)
        tf.io.gfile.makedirs(folder)
        files = [(index, path) for index, artifact in enumerate(examples) for path in _files([artifact], TEST)]
        outside = [Outside() for _ in examples]
        rows, read = 0, (TRAIN, EVAL, TEST) if counted else (TRAIN, TEST)
        with counting.counted("Baselines", lambda: rows_of(examples, read), "rows"):
            for path in _files(examples, TRAIN):
                for records in _read(path):
                    targets.count(records)
                    if counted:
                        cut: Any = counted.read(records)
                        unknown[TRAIN].add(len(cut.labels), cut.unknown)
                        counted.count(cut)
            if counted:
                for path in _files(examples, EVAL):
                    for records in _read(path):
                        cut = counted.read(records)
                        unknown[EVAL].add(len(cut.labels), cut.unknown)
                counted.estimate()
            for number, (index, path) in enumerate(files):
                name = f"data_tfrecord-{number:05d}-of-{len(files):05d}.gz"
                with tf.io.TFRecordWriter(f"{folder}/{name}", options="GZIP") as writer:
                    for records in _read(path):
                        outside[index].add_inputs(*encoder.count_inputs(records))
                        sums = targets.measure(records)
                        if counted:
                            cut = counted.read(records)
                            outside[index].add_labels(cut.labels)
                            unknown[TEST].add(len(cut.labels), cut.unknown)
                            measured = counted.measure(cut)
                            sums |= {label.feature(name): values for name, values in measured.items()}
                        for record in _with_sums(records, sums, rows):
                            writer.write(record)
                        rows += len(records)

        output.set_int_custom_property(ROWS, rows)
        found = targets.summary() | (counted.summary() if counted else {})
        rates = sum(outside, Outside()).rates()
        rates["labels"] = found["metrics"]["popular"]["oov_rate"] if counted else None
        about = {"split": TEST, **found, "out_of_vocabulary_rate": rates}
        if counted:
            about["labels_outside"] = {split: labels.summary() for split, labels in unknown.items()}
        if any(artifact.has_custom_property(SPAN_NAME) for artifact in examples):
            about["spans"] = {
                span_of(artifact): counts.rates() for artifact, counts in zip(examples, outside, strict=True)
            }
        write_baselines(artifact_utils.get_single_uri(output_dict["baselines"]), about)


def _files(examples: list[types.Artifact], split: str) -> list[str]:
    patterns = examples_utils.get_split_file_patterns(examples, split)
    files = matching(patterns)
    if not files:
        raise ValueError(f"the examples have no file in split '{split}': {', '.join(patterns)}")
    return files


def _read(path: str) -> Iterator[list[bytes]]:
    """Yield the records of a file in batches, and count the rows of each for the progress."""
    for records in read_records(path):
        yield records
        counting.count(len(records))


def _describe(output: types.Artifact, source: types.Artifact) -> None:
    """Set the properties of the new Examples that the Evaluator reads them by, and their span for Resolvers."""
    output.split_names = artifact_utils.encode_split_names([TEST])
    output.span, output.version = source.span, source.version
    examples_utils.set_payload_format(output, examples_utils.get_payload_format(source))
    examples_utils.set_file_format(output, "tfrecords_gzip")


def _target_vocabularies(data: DataSpec, transform: tft.TFTransformOutput) -> dict[str, Vocabulary]:
    return {
        name: read_vocabulary(str(transform.vocabulary_file_by_name(category_file(name))))
        for name, target in data.targets.items()
        if target.kind == "category"
    }


def _with_sums(records: list[bytes], sums: dict[str, NDArray[np.float64]], first: int) -> Iterator[bytes]:
    """Yield each serialized Example with a feature for each baseline, and with its number, counted from `first`."""
    for number, record in enumerate(records):
        more = tf.train.Example()
        for name, values in sums.items():
            more.features.feature[name].float_list.value.extend(values[number])
        more.features.feature[ROW_NUMBER].int64_list.value.append(first + number)
        # Concatenated protobuf messages parse as one merged message, here with the features of both.
        yield record + more.SerializeToString()
