"""Tests of the Baselines node on real sentences."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import artifact_utils, channel_utils, standard_artifacts

from components.baselines.component import BaselineMetrics, Baselines
from components.baselines.executor import BaselinesExecutor
from components.choices import Choices, write_choices
from components.evaluation.spec import EvaluationSpec
from components.ingest.counts import COUNTS_FILE
from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.metrics.targets import label_target
from tests.components.messages.observed import observed

SEQUENCE = DataSpec(shape="sequence", source={"kind": "sotu"}, inputs=["words"])  # type: ignore[arg-type]
BANDS = BandSpec(head=20, torso=100)
COLUMNS = label_target(SEQUENCE).stored_names


def run(
    files: Any,
    data: DataSpec,
    target: Path,
    spans: list[Any] | None = None,
    head: dict[str, Any] | None = None,
    chosen: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run the node with what the configuration sets under `trainer.head`, and with what the node Defaults chose."""
    examples = standard_artifacts.Examples()
    examples.uri, examples.span = str(files.examples), 7
    examples.split_names = artifact_utils.encode_split_names([*files.rows])
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(files.graph)
    choices = standard_artifacts.HyperParameters()
    choices.uri = str(target / "choices")
    write_choices(choices.uri, Choices({"head": chosen} if chosen else {}, {}, "chosen"))
    metrics, output = BaselineMetrics(), standard_artifacts.Examples()
    metrics.uri, output.uri = str(target / "baselines"), str(target / "examples")
    BaselinesExecutor().Do(
        {"examples": spans or [examples], "transform_graph": [graph], "choices": [choices]},
        {"baselines": [metrics], "test_examples": [output]},
        {
            "data": data.model_dump_json(),
            "bands": BANDS.model_dump_json(),
            "mixture": json.dumps(head or {}),
            "code": "",
        },
    )
    assert (output.split_names, output.span) == ('["test"]', (spans or [examples])[0].span)
    return json.loads((target / "baselines" / "baselines.json").read_text())


def features(folder: Path) -> list[Any]:
    spec = {
        "words": tf.io.RaggedFeature(tf.string),
        "parity": tf.io.FixedLenFeature([], tf.string),
        "bigvocab/baseline/popular": tf.io.FixedLenFeature([len(COLUMNS)], tf.float32),
        "bigvocab/baseline/trigram": tf.io.FixedLenFeature([len(COLUMNS)], tf.float32),
    }
    paths = sorted(str(path) for path in (folder / "Split-test").iterdir())
    rows = tf.data.TFRecordDataset(paths, "GZIP").map(lambda record: tf.io.parse_single_example(record, spec))
    return list(rows.as_numpy_iterator())


def test_sequences(sequences: Any, tmp_path: Path) -> None:
    counts = {split: len(rows) for split, rows in sequences.rows.items()}
    (sequences.examples / COUNTS_FILE).write_text(json.dumps({"rows": counts}))
    with observed() as works:
        summary = run(sequences, SEQUENCE, tmp_path / "out")
    assert works["Baselines"].total == sum(counts.values())
    train, test = ([row["words"] for row in sequences.rows[split]] for split in ("train", "test"))
    vocabulary = [line.split()[1] for line in (sequences.graph / "transform_fn/assets/labels").read_text().splitlines()]

    counts = Counter(word for words in train for word in words[1:] if word in vocabulary)
    best = sorted(range(len(vocabulary)), key=lambda i: (-counts[vocabulary[i]], i))
    labels = [word for words in test for word in words[1:]]
    popular = summary["metrics"]["popular"]
    assert popular["count"] == len(labels) == summary["examples"]["test"]["labels"]
    assert popular["known"] == sum(word in vocabulary for word in labels) < len(labels)
    assert popular["recall_at_10"] == sum(w in {vocabulary[i] for i in best[:10]} for w in labels) / len(labels)
    assert summary["examples"]["train"] == {
        "rows": len(train),
        "labels": sum(len(words) - 1 for words in train),
        "known": sum(counts.values()),
    }
    assert summary["out_of_vocabulary_rate"] == {
        "inputs": sum(word not in vocabulary for words in test for word in words) / sum(map(len, test)),
        "labels": 1 - popular["known"] / popular["count"],
    }
    unknown = Counter(word for word in labels if word not in vocabulary)
    most = sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0].encode()))[:10]
    assert summary["labels_outside"]["test"] == {
        "labels": len(labels),
        "outside": unknown.total(),
        "most_frequent": [{"token": word, "count": count} for word, count in most],
    }
    outside = summary["labels_outside"]["train"]
    assert outside["labels"] - outside["outside"] == summary["examples"]["train"]["known"]
    assert summary["labels_outside"]["eval"] == {"labels": 0, "outside": 0, "most_frequent": []}
    assert set(summary["metrics"]) == {"popular", "bigram", "trigram"}
    assert summary["metrics"]["trigram"]["nll"] < popular["nll"]
    tail = [word for word in labels if word not in vocabulary[:100]]
    assert summary["bands"]["trigram"]["tail"]["count"] == len(tail)

    rows = features(tmp_path / "out" / "examples")
    # The output still has every row of the split, with its own columns.
    assert Counter(b" ".join(row["words"]).decode() for row in rows) == Counter(" ".join(words) for words in test)
    assert {row["parity"] for row in rows} == {b"even", b"odd"}
    for row in rows:
        assert row["bigvocab/baseline/trigram"][COLUMNS.index("count")] == len(row["words"]) - 1
    for name in ("popular", "trigram"):
        total = np.stack([row[f"bigvocab/baseline/{name}"] for row in rows]).sum(axis=0, dtype=np.float64)
        nll = total[COLUMNS.index("nll")] / total[COLUMNS.index("known")]
        assert nll == pytest.approx(summary["metrics"][name]["nll"], rel=1e-5)


def test_the_baselines_keep_the_n_grams_of_the_mixture(sequences: Any, tmp_path: Path) -> None:
    """The configuration comes before the choice; without a mixture all n-grams count."""
    few, fewer = ({"mixture": {"kind": "ngrams", "max_ngrams": n}} for n in (200, 20))
    cases = {
        "all": ({}, {}),
        "none": ({"mixture": None}, few),
        "chosen": ({}, few),
        "set": (few, fewer),
        "fewer": ({}, fewer),
    }
    found = {
        name: run(sequences, SEQUENCE, tmp_path / name, head=head, chosen=chosen)["metrics"]["trigram"]
        for name, (head, chosen) in cases.items()
    }
    assert found["all"] == found["none"]
    assert found["chosen"] == found["set"]
    assert found["all"]["nll"] < found["chosen"]["nll"] < found["fewer"]["nll"]


def test_the_rates_of_each_span_are_beside_those_of_all(sequences: Any, tmp_path: Path) -> None:
    spans = []
    for span in (194, 195):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / f"{span}")
        examples.split_names = artifact_utils.encode_split_names([*sequences.rows])
        examples.set_int_custom_property("span", span)
        examples.set_string_custom_property("span_name", f"{span}0s")
        for split in sequences.rows:
            files = sorted((sequences.examples / f"Split-{split}").iterdir())
            target = Path(examples.uri, f"Split-{split}", "data_tfrecord-00000-of-00001.gz")
            target.parent.mkdir(parents=True)
            shutil.copy(files[span - 194], target)
        spans.append(examples)
    alone = run(sequences, SEQUENCE, tmp_path / "alone")
    together = run(sequences, SEQUENCE, tmp_path / "together", spans)
    assert "spans" not in alone
    assert together["out_of_vocabulary_rate"] == alone["out_of_vocabulary_rate"]
    assert [*together["spans"]] == ["194", "195"]
    # Each span has every second row, so the overall rate is between the rates of the spans.
    for kind, rate in alone["out_of_vocabulary_rate"].items():
        low, high = sorted(rates[kind] for rates in together["spans"].values())
        assert 0 < low < rate < high


def test_labelled(write: Callable[..., Any], speeches: list[list[str]], tmp_path: Path) -> None:
    rows = [{"before": words[:1], "item": words[1:3][:1], "next": [words[-1]]} for words in speeches if len(words) > 3]
    words = [str(word) for word, _ in Counter(row["item"][0] for row in rows).most_common(50)]
    nexts = [str(word) for word, _ in Counter(row["next"][0] for row in rows[::2]).most_common()]
    files = write({"train": rows[::2], "test": rows[1::2]}, words, nexts)
    source = {"kind": "csv", "path": "x.csv"}
    data = DataSpec(shape="labelled", source=source, inputs=["before", "item"], label="next")  # type: ignore[arg-type]
    summary = run(files, data, tmp_path / "out")
    assert set(summary["metrics"]) == {"popular", "bigram"}
    assert summary["metrics"]["bigram"]["count"] == len(rows[1::2])
    assert summary["examples"]["train"] == dict.fromkeys(("rows", "labels", "known"), len(rows[::2]))


def test_an_empty_test_split_is_refused(write: Callable[..., Any], tmp_path: Path) -> None:
    files = write({"train": [{"words": ["the", "state"]}], "test": []}, ["the"], ["the", "state"])
    with pytest.raises(ValueError, match="the test split holds no label to measure"):
        run(files, SEQUENCE, tmp_path / "out")


def test_a_missing_split_is_named(write: Callable[..., Any], tmp_path: Path) -> None:
    files = write({"train": [{"words": ["the", "state"]}]}, ["the"], ["the", "state"])
    with pytest.raises(ValueError, match="test"):
        run(files, SEQUENCE, tmp_path / "out")


def test_only_what_the_counts_depend_on_is_in_the_cache_key() -> None:
    def node(evaluation: EvaluationSpec, code: str) -> dict[str, Any]:
        examples = channel_utils.as_channel([standard_artifacts.Examples()])
        graph = channel_utils.as_channel([standard_artifacts.TransformGraph()])
        choices = channel_utils.as_channel([standard_artifacts.HyperParameters()])
        return Baselines(examples, graph, choices, SEQUENCE, evaluation.bands, code).exec_properties

    first = node(EvaluationSpec(), "1")
    assert first == node(EvaluationSpec(beat=["trigram"], max_perplexity=100), "1")
    assert first != node(EvaluationSpec(bands=BANDS), "1")
    assert first != node(EvaluationSpec(), "2")


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_rows_with_several_labels(loss: str, write: Callable[..., Any], tmp_path: Path) -> None:
    data = DataSpec.model_validate(
        {
            "shape": "labelled",
            "source": {"kind": "sotu"},
            "inputs": ["items"],
            "label": "tags",
            "label_kind": "classes",
            "tokenizer": "none",
        }
    )
    train = [
        {"items": ["a", "b"], "tags": ["x", "a"]},
        {"items": ["c"], "tags": ["y"]},
        {"items": ["c"], "tags": ["y"]},
    ]
    test = [{"items": ["a"], "tags": ["x", "outside", "a"]}, {"items": ["c", "d"], "tags": ["y"]}]
    files = write({"train": train * 5, "test": test}, ["a", "b", "c"], ["y", "x", "a"])
    summary = run(files, data, tmp_path / "out", head={"loss": loss})
    assert summary["examples"] == {
        "train": {"rows": 15, "labels": 20, "known": 20},
        "test": {"rows": 2, "labels": 4, "known": 3},
    }
    assert summary["out_of_vocabulary_rate"] == {"inputs": 1 / 3, "labels": 1 / 4}
    assert summary["labels_outside"]["test"]["most_frequent"] == [{"token": "outside", "count": 1}]
    precision = {name: of["precision_at_1"] for name, of in summary["metrics"].items()}
    # The first row: `popular` answers y, `history` a, the others a or x.
    assert precision == {"popular": 0.5, "history": 1.0, "bayes": 1.0, "nearest": 1.0}
    assert summary["metrics"]["bayes"]["recall_at_5"] == pytest.approx((2 / 3 + 1) / 2)
    assert summary["metrics"]["bayes"]["nll"] < summary["metrics"]["popular"]["nll"]
    target = label_target(data)
    stored = np.zeros(len(target.stored_names))
    for path in (tmp_path / "out/examples/Split-test").iterdir():
        for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            stored += target.restored(np.array(features[target.feature("bayes")].float_list.value))
    again = target.measured(stored)
    assert again["count"] == 2
    for name in ("nll", "recall_at_10", "psp_at_3", "ndcg_at_10"):
        assert again[name] == pytest.approx(summary["metrics"]["bayes"][name], rel=1e-6), name
