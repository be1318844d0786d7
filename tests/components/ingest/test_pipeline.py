"""Tests of ExampleGen as a node of a pipeline: the cache, and the statistics of its output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from components.compat.tfx.v1 import v1 as tfx
from components.data_validation.errors import AnomaliesFound
from components.data_validation.schema_import import SchemaImporter
from components.data_validation.spec import StatisticsSpec
from components.data_validation.statistics_gen import StatisticsGen
from components.data_validation.validator import example_validator
from components.ingest.component import example_gen
from components.ingest.spec import DataSpec, SourceSpec

ARGS: list[Any] = ["--runner=FnApiRunner", "--sdk_container_image=none"]
DATA = DataSpec(shape="sequence", source=SourceSpec(kind="text", path="speech.txt"), inputs=["words"])


def run(folder: Path, data: DataSpec, code: str, schema: Path | None = None) -> None:
    ingest = example_gen(data, folder, code)
    nodes = [ingest]
    if schema:
        statistics = StatisticsGen(ingest.outputs["examples"], StatisticsSpec(), code)
        imported = SchemaImporter(schema_file=str(schema))
        nodes += [
            statistics,
            imported,
            example_validator(statistics.outputs["statistics"], imported.outputs["schema"], code),
        ]
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline("ingest", str(folder / "root"), store, nodes, enable_cache=True, beam_pipeline_args=ARGS)
    )


def executions(folder: Path) -> int:
    return len(list((folder / "root" / "IngestExampleGen" / "examples").iterdir()))


@pytest.mark.slow
def test_only_changed_data_or_code_is_read_again(tmp_path: Path, paragraphs: list[str]) -> None:
    speech = tmp_path / "speech.txt"
    speech.write_text("\n\n".join(paragraphs))
    run(tmp_path, DATA, code="1")
    assert executions(tmp_path) == 1
    run(tmp_path, DATA, code="1")
    assert executions(tmp_path) == 1
    run(tmp_path, DATA, code="2")
    assert executions(tmp_path) == 2
    # The same length and modification time.
    stat = speech.stat()
    speech.write_text(speech.read_text()[::-1])
    os.utime(speech, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    run(tmp_path, DATA, code="2")
    assert executions(tmp_path) == 3


@pytest.mark.slow
def test_an_anomaly_stops_the_pipeline_though_only_the_schema_was_edited(tmp_path: Path, paragraphs: list[str]) -> None:
    (tmp_path / "speech.txt").write_text("\n\n".join(paragraphs))
    schema = tmp_path / "schema.pbtxt"
    schema.write_text('feature { name: "words" type: BYTES value_count { min: 2 } }')
    run(tmp_path, DATA, "1", schema)
    schema.write_text('feature { name: "words" type: BYTES value_count { min: 2 max: 200 } }')
    with pytest.raises(AnomaliesFound, match=r"train  words"):
        run(tmp_path, DATA, "1", schema)
    [failed] = (tmp_path / "root" / "ExampleValidator" / "anomalies").glob("*-failed")
    assert (failed / "Split-train" / "SchemaDiff.pb").exists()
