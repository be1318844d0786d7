"""Tests of the recipes of `docs/how-to/extending.md`, executed as a reader would, all in one run.

The node, whose recipe changes a file of BigVocab, is in `runs/test_sessions.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import yaml

from tests.documents import written
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import speeches
from tests.pipeline.whole_runs import cached, check, run, summary

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the pipeline with a source, an encoder, a loss and a metric of a user's own."""
    folder = tmp_path_factory.mktemp("extended")
    written(folder, *(f"my_package/{name}.py" for name in ("sources", "encoders", "losses", "metrics")))
    written(folder, "cells.yaml", "mean.yaml", "smoothed.yaml", "metrics.yaml")
    (folder / "speeches").mkdir()
    for number, (year, paragraphs) in enumerate(speeches(4)):
        rows = [f"{year}|{' '.join(p.split())}\n" for p in paragraphs if "|" not in p]
        (folder / "speeches" / f"{number}.cells").write_text("".join(rows), encoding="utf-8")
    file = folder / "cells.yaml"
    cells, mean, smoothed, metrics = (
        yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("cells", "mean", "smoothed", "metrics")
    )
    cells["data"]["slices"] = ["year"]
    cells["trainer"] |= {**mean["trainer"], **smoothed["trainer"]}
    cells["trainer"]["head"]["mixture"] = "none"  # The mixture that the defaults choose for words takes longer.
    cells["evaluation"] |= metrics["evaluation"]
    file.write_text(yaml.safe_dump(cells), encoding="utf-8")
    result = run(bigvocab, file)
    check(file, result)
    assert "recall@50" in result.stdout
    return file


def ingested(file: Path) -> int:
    return len(list((file.parent / "runs" / "cells" / "artifacts" / "ExampleGen" / "examples").iterdir()))


def test_the_source_is_read_once_and_recognized_by_predict(file: Path, bigvocab: Bigvocab) -> None:
    # `schema` has ingested the rows, and `run` has reused its output.
    assert ingested(file) == 1
    (file.parent / "new.cells").write_text("2020|fellow citizens of the united\n2020\n", encoding="utf-8")
    asked = bigvocab("predict", "--input", "new.cells", folder=file.parent)
    assert asked.returncode == 0, asked.stderr
    assert '"states"' in asked.stdout.splitlines()[0]
    assert "new.cells:2: wrong number of cells: 1 cells, not 2" in asked.stderr


def test_the_metric_is_everywhere(file: Path) -> None:
    found = summary(file)
    for metrics in (
        found["metrics"],
        found["bands"]["head"],
        found["baselines"]["popular"],
        found["baseline_bands"]["bigram"]["head"],
        found["slices"][0]["metrics"],
        found["training"]["history"][-1],
    ):
        assert 0 < metrics["recall_at_10"] < metrics["recall_at_50"] <= 1
    assert [metric["label"] for metric in found["own_metrics"]] == ["recall@50"]
    assert found["training"]["history"][0].get("targets", {}) == {}
    runs = file.parent / "runs" / file.stem
    assert ">recall@50<" in (runs / "report" / "report.html").read_text()
    (baselines,) = runs.glob("**/baselines.json")
    assert json.loads(baselines.read_text())["metrics"]["popular"]["recall_at_50"] > 0


def test_the_exported_model_does_not_need_the_package(file: Path) -> None:
    (version,) = (file.parent / "runs" / file.stem / "serving").iterdir()
    assert "my_package" not in sys.modules
    signatures = tf.saved_model.load(str(version)).signatures
    assert {"hit_50", "hit_50_head", "hit_50_torso", "hit_50_tail"} <= set(signatures["eval"].structured_outputs)
    answer = signatures["predict"](words=tf.constant([["the", "united"]]), year=tf.constant([2020.0]))
    assert b"states" in answer["labels"].numpy()[0]


def test_unchanged_parts_are_cached(file: Path, bigvocab: Bigvocab) -> None:
    check(file, run(bigvocab, file))
    assert cached(file)


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("trainer.model.scael=1", "unknown key trainer.model.scael; did you mean 'scale'?"),
        ("trainer.head.smoothng=1", "unknown key trainer.head.smoothng; did you mean 'smoothing'?"),
        ("trainer.head.form=my_package.losses:Smoothd", "has no class 'Smoothd'; did you mean 'Smoothed'?"),
    ],
)
def test_a_wrong_key_is_refused(file: Path, bigvocab: Bigvocab, setting: str, fault: str) -> None:
    wrong = run(bigvocab, file, "--set", setting)
    assert wrong.returncode == 2
    assert fault in wrong.stderr


@pytest.mark.parametrize(
    ("module", "change", "cause"),
    [
        (
            "encoders",
            "def changed(self, shape):\n    raise RuntimeError(f'scale {self.scale}')\n\n\nMean.build = changed",
            "scale 2.5",
        ),
        (
            "losses",
            "def changed(self, step):\n    raise RuntimeError(f'smoothing {self.smoothing}')\n\n\n"
            "Smoothed.losses = changed",
            "smoothing 0.5",
        ),
    ],
)
def test_a_changed_part_trains_again_with_its_keys(
    file: Path, bigvocab: Bigvocab, module: str, change: str, cause: str
) -> None:
    """The training fails at once, because the first one has shown that it succeeds."""
    source = file.parent / "my_package" / f"{module}.py"
    before = source.read_text(encoding="utf-8")
    source.write_text(f"{before}\n\n{change}\n", encoding="utf-8")
    failed = run(bigvocab, file)
    assert failed.returncode == 1
    trained = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert (trained["Transform"], trained["Trainer"]) == (True, False)
    failed = run(bigvocab, file, "--set", "trainer.model.scale=2.5", "--set", "trainer.head.smoothing=0.5")
    source.write_text(before, encoding="utf-8")
    assert failed.returncode == 1
    assert f"Trainer failed. RuntimeError: {cause}" in failed.stdout


def test_a_changed_source_is_read_again_also_by_a_pod(file: Path, bigvocab: Bigvocab, tmp_path: Path) -> None:
    module = file.parent / "my_package" / "sources.py"
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    for _ in range(2):
        assert bigvocab("schema", "cells.yaml", "--force", folder=file.parent).returncode == 0
        assert ingested(file) == 2
    ran = bigvocab("run-node", "ExampleGen", "cells.yaml", "--root", tmp_path, "--run-id", "one", folder=file.parent)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(tmp_path.glob("artifacts/ExampleGen/examples/*/counts.json"))
