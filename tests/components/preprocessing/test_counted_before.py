"""Tests of the selection of earlier counts by Transform, and of their correctness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.metrics import MetricsFilter
from tensorflow_transform.beam import analyzer_cache
from tensorflow_transform.impl_helper import get_type_specs_from_feature_specs
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.ingest.spec import DataSpec, FeatureSpec, SourceSpec
from components.preprocessing.counted_before import CountedBefore
from components.preprocessing.preprocessing import preprocessing_fn
from components.preprocessing.spec import VocabularySpec
from tests.components.preprocessing.test_preprocessing import BEAM, FLOAT, STRING
from tests.components.span_store import Store

DATA = DataSpec(
    shape="sequence",
    source=SourceSpec(kind="text", path="{SPAN}.txt"),
    inputs=["words"],
    features={"year": FeatureSpec(kind="number"), "party": FeatureSpec(kind="category")},
)
SPANS = {
    "1940s": [
        ("the state of the union is good", 1946.0, "Democratic"),
        ("to the congress of the united states", 1947.0, "Democratic"),
    ],
    "1970s": [
        ("mr . speaker , mr . president", 1974.0, "Republican"),
        ("the state of our union is not good", 1975.0, "Republican"),
        ("our economy is strong", 1975.0, "Republican"),
    ],
    "1990s": [("the state of our union is strong", 1999.0, "Democratic")],
}


def config(code: str = "1", vocabulary: int = 10) -> str:
    return json.dumps({"vocabulary": vocabulary, "code": code})


def found(store: Store, caches: Sequence[Any], rolling_range: Sequence[Any], custom_config: str) -> int | None:
    inputs = {"examples": [*rolling_range], "cache": [*caches]}
    cache = CountedBefore(custom_config).resolve_artifacts(store.mlmd, inputs)["cache"]
    return cache[0].id if cache else None


def test_the_cache_with_most_of_the_window_is_taken() -> None:
    store = Store()
    one, two, three, four = (store.ingested(span) for span in (1, 2, 3, 4))
    assert found(store, [], [one], config()) is None
    both = store.counted([one, two, three], config())
    alone = store.counted([one], config())
    assert found(store, [both, alone], [two, three, four], config()) == both.id
    assert found(store, [both, alone], [four], config()) is None


def test_a_second_run_with_nothing_changed_finds_what_the_first_one_found() -> None:
    store = Store()
    one, two, three = (store.ingested(span) for span in (1, 2, 3))
    first = store.counted([one, two], config())
    assert found(store, [first], [one, two], config()) is None
    second = store.counted([one, two, three], config())
    assert found(store, [first, second], [one, two, three], config()) == first.id
    # The same after a run of an older span.
    assert found(store, [first, second], [one, two], config()) is None
    third = store.counted([one, two, three], config())
    assert found(store, [first, second, third], [one, two, three], config()) == first.id


def test_other_code_takes_nothing_up_and_other_vocabularies_what_there_is() -> None:
    store = Store()
    one, two = store.ingested(1), store.ingested(2)
    cache = store.counted([one, two], config())
    assert found(store, [cache], [one, two], config(code="2")) is None
    assert found(store, [cache], [one, two], config(vocabulary=20)) == cache.id


def _row(row: tuple[str, float, str]) -> dict[str, Any]:
    return {"words": row[0].split(), "year": [row[1]], "party": [row[2]]}


def analysed(
    folder: Path, spans: Sequence[str], cache: Path | None, vocabulary: VocabularySpec
) -> tuple[dict[str, bytes], int]:
    """Return the vocabulary files and moments of some spans, and the number of rows that were read for them."""
    custom = {"data": DATA.model_dump_json(), "vocabulary": vocabulary.model_dump_json()}
    spec: dict[str, Any] = {"words": STRING, "year": FLOAT, "party": STRING}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    keys = {span: analyzer_cache.DatasetKey(span) for span in spans}

    def function(inputs: dict[str, Any]) -> dict[str, Any]:
        return preprocessing_fn(inputs, custom)

    pipeline = beam.Pipeline(options=BEAM)
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        known = (
            {} if cache is None else pipeline | analyzer_cache.ReadAnalysisCacheFromFS(str(cache), list(keys.values()))
        )
        wanted = tft_beam.analysis_graph_builder.get_analysis_dataset_keys(
            function, get_type_specs_from_feature_specs(spec), list(keys.values()), known, False
        )
        rows = {
            key: (pipeline | f"Rows{span}" >> beam.Create([*map(_row, SPANS[span])]) if key in wanted else None)
            for span, key in keys.items()
        }
        both: Any = (rows, known, metadata) | tft_beam.AnalyzeDatasetWithCache(function, pipeline=pipeline)
        graph, written = both
        _ = graph | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = written | analyzer_cache.WriteAnalysisCacheToFS(pipeline, str(folder / "cache"), list(keys.values()))
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query(MetricsFilter().with_name("num_instances"))["counters"]
    output = tft.TFTransformOutput(str(folder / "graph"))
    names = ("inputs", "labels", "category_party", "numbers")
    files = {name: Path(str(output.vocabulary_file_by_name(name))).read_bytes() for name in names}
    return files, sum(counter.committed for counter in counters)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache of the first two spans."""
    folder = tmp_path_factory.mktemp("before")
    _, read = analysed(folder, ["1940s", "1970s"], None, VocabularySpec(inputs=6, labels=12))
    assert read == 5
    return folder / "cache"


@pytest.mark.slow
@pytest.mark.parametrize(
    "vocabulary",
    [VocabularySpec(inputs=6, labels=12), VocabularySpec(inputs=3, labels=5, min_count=2)],
    ids=["nothing changed", "other vocabularies"],
)
def test_only_the_new_span_is_read_and_the_files_are_as_counted_anew(
    vocabulary: VocabularySpec, before: Path, tmp_path: Path
) -> None:
    anew, every = analysed(tmp_path / "anew", [*SPANS], None, vocabulary)
    files, read = analysed(tmp_path / "new", [*SPANS], before, vocabulary)
    assert (every, read) == (6, 1)
    # Numbers are summed in another order, so their last digits may differ.
    moments, of_all = (json.loads(found.pop("numbers").partition(b" ")[2])["moments"] for found in (files, anew))
    assert moments == pytest.approx(of_all, rel=1e-12)
    assert (moments["count"], moments["least"], moments["greatest"]) == (6, 1946, 1999)
    assert files == anew
