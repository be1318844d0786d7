from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components.data_validation.errors import AnomaliesFound
from components.data_validation.validator import ExampleValidatorExecutor, read_anomalies
from components.ingest.rows.columns import Columns
from tests.components.data_validation.conftest import MakeStatistics, address

SCHEMA = """
feature {
  name: "words" type: BYTES
  presence { min_fraction: 1.0 min_count: 1 }
  value_count { min: 2 }
  skew_comparator { infinity_norm { threshold: 0.2 } }
}
feature { name: "year" type: FLOAT value_count { min: 1 max: 1 } float_domain { min: 1790 max: 2100 } }
feature { name: "party" type: BYTES value_count { min: 1 max: 1 } domain: "party" }
string_domain { name: "party" value: "Nonpartisan" value: "Democratic" value: "Republican" }
"""


class Run:
    """Function that runs the validator once on given rows."""

    def __init__(self, folder: Path, make_statistics: MakeStatistics) -> None:
        self._make = make_statistics
        self._folder = folder
        self.anomalies = standard_artifacts.ExampleAnomalies()
        self.anomalies.uri = str(folder / "anomalies")

    def __call__(
        self,
        rows: dict[str, list[Columns]],
        schema: str = SCHEMA,
        earlier: list[dict[str, list[Columns]]] | None = None,
    ) -> None:
        artifact = standard_artifacts.Schema()
        artifact.uri = str(self._folder / "schema")
        Path(artifact.uri).mkdir()
        Path(artifact.uri, "schema.pbtxt").write_text(schema)
        spans = [self._make(span, f"earlier-{n}") for n, span in enumerate(earlier or [])]
        statistics = self._make(rows)
        for number, span in enumerate([*spans, statistics], start=1):
            span.id = number
        inputs = {"statistics": [statistics], "schema": [artifact], "spans": [*spans, statistics] if spans else []}
        ExampleValidatorExecutor().Do(inputs, {"anomalies": [self.anomalies]}, {})


@pytest.fixture
def run(tmp_path: Path, make_statistics: MakeStatistics) -> Run:
    return Run(tmp_path, make_statistics)


def test_good_data_passes(run: Run, rows: dict[str, list[Columns]]) -> None:
    run(rows)
    assert [read_anomalies(run.anomalies.uri, split) for split in ("train", "eval", "test")] == [[], [], []]
    assert run.anomalies.get_json_value_custom_property("blessed") == {"train": 1, "eval": 1, "test": 1}


@pytest.mark.parametrize(
    ("bad", "column", "finding"),
    [
        (address("once more", 1066, "Democratic"), "year", "1066"),
        (address("once more", 1946, "Whig"), "party", "Whig"),
        (address("once", 1946, "Democratic"), "words", "fewer values"),
        ({"year": [1946.0], "party": ["Democratic"]}, "words", "present in fewer"),
        ({**address("once more", 1946, "Democratic"), "yaer": [1.0]}, "yaer", "New column"),
    ],
)
def test_one_bad_row_stops_the_run(
    bad: Columns, column: str, finding: str, run: Run, rows: dict[str, list[Columns]]
) -> None:
    with pytest.raises(AnomaliesFound) as caught:
        run({**rows, "test": [*rows["test"], bad]})
    [anomaly] = caught.value.anomalies
    assert (anomaly.split, anomaly.column) == ("test", column)
    [line] = [line for line in str(caught.value).splitlines() if line.startswith("  test")]
    assert finding in line
    # TFX removes the outputs of a failed node. The copy stays, and the message has its path.
    shutil.rmtree(run.anomalies.uri)
    failed = run.anomalies.uri + "-failed"
    assert failed in str(caught.value)
    assert read_anomalies(failed, "test") == [anomaly]
    assert read_anomalies(failed, "train") == []


def test_splits_are_compared_with_the_train_split(run: Run, rows: dict[str, list[Columns]]) -> None:
    # Valid alone, but with other words than the train split.
    other = [address("budget budget budget budget", 1946, "Democratic")]
    with pytest.raises(AnomaliesFound) as caught:
        run({**rows, "eval": other})
    [anomaly] = caught.value.anomalies
    assert (anomaly.split, anomaly.column) == ("eval", "words")
    assert anomaly.what == "High Linfty distance between eval and train"
    assert "budget" in anomaly.detail
    assert "threshold 0.2" in anomaly.detail


DRIFTING = """
feature {
  name: "words" type: BYTES value_count { min: 1 }
  drift_comparator { infinity_norm { threshold: 0.2 } }
}
feature { name: "year" type: FLOAT }
feature { name: "party" type: BYTES }
"""


def test_a_span_is_compared_with_the_one_before(run: Run, rows: dict[str, list[Columns]]) -> None:
    other = {**rows, "train": [address("budget budget budget budget", 1946, "Democratic")]}
    with pytest.raises(AnomaliesFound) as caught:
        run(rows, DRIFTING, earlier=[rows, other])
    [anomaly] = caught.value.anomalies
    assert (anomaly.split, anomaly.column) == ("train", "words")
    assert anomaly.what == "High Linfty distance between this span and the one before"
    assert "budget" in anomaly.detail


def test_a_span_is_not_compared_with_those_further_back(run: Run, rows: dict[str, list[Columns]]) -> None:
    other = {**rows, "train": [address("budget budget budget budget", 1946, "Democratic")]}
    run(rows, DRIFTING, earlier=[other, rows])


BY_ROWS = """
feature {
  name: "words" type: BYTES value_count { min: 1 }
  skew_comparator { infinity_norm { threshold: 0.2 } }
  annotation { tag: "by_rows" }
}
"""


def split(share: float, rows: int) -> list[Columns]:
    """Return rows of one word, which is "budget" in a given share of them."""
    return [{"words": ["budget" if n < share * rows else "union"]} for n in range(rows)]


def test_few_rows_may_lie_further_apart_than_an_inferred_threshold(run: Run) -> None:
    run({"train": split(0.5, 150), "eval": split(0.9, 19), "test": split(0.1, 19)}, BY_ROWS)


def test_many_rows_may_not(run: Run) -> None:
    with pytest.raises(AnomaliesFound) as caught:
        run({"train": split(0.5, 1_500), "eval": split(0.9, 190), "test": split(0.5, 190)}, BY_ROWS)
    assert [(anomaly.split, anomaly.column) for anomaly in caught.value.anomalies] == [("eval", "words")]


def test_few_rows_may_not_lie_further_apart_than_a_curated_threshold(run: Run) -> None:
    curated = BY_ROWS.replace("by_rows", "read by people")
    with pytest.raises(AnomaliesFound):
        run({"train": split(0.5, 150), "eval": split(0.9, 19), "test": split(0.5, 19)}, curated)


def test_without_a_comparator_splits_may_differ(run: Run, rows: dict[str, list[Columns]]) -> None:
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    schema.feature[0].ClearField("skew_comparator")
    run({**rows, "eval": [address("budget budget", 1946, "Democratic")]}, str(schema))


def test_the_error_survives_pickling(run: Run) -> None:
    import pickle

    from components.data_validation.errors import Anomaly

    error = AnomaliesFound([Anomaly("test", "words", "what", "detail")], "there")
    copy: Any = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.anomalies == error.anomalies
