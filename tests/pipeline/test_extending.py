"""Tests of the recipes of `docs/how-to/extending.md`, executed as a reader would."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.documents import written
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import LIGHT, sessions_configuration, speeches
from tests.pipeline.whole_runs import answers, cached, check, run, summary

ROOT = Path(__file__).parents[2]

FAST = [word for key, value in LIGHT.items() for word in ("--set", f"trainer.model.{key}={value}")]

pytestmark = pytest.mark.slow


def test_a_source(bigvocab: Bigvocab, tmp_path: Path) -> None:
    written(tmp_path, "my_package/sources.py", "cells.yaml")
    (tmp_path / "speeches").mkdir()
    for number, (year, paragraphs) in enumerate(speeches(4)):
        rows = [f"{year}|{' '.join(p.split())}\n" for p in paragraphs if "|" not in p]
        (tmp_path / "speeches" / f"{number}.cells").write_text("".join(rows), encoding="utf-8")
    file = tmp_path / "cells.yaml"

    def ingested() -> int:
        return len(list((tmp_path / "runs" / "cells" / "artifacts" / "ExampleGen" / "examples").iterdir()))

    # Without the mixture that the defaults choose for words: it triples the time of the training.
    check(file, run(bigvocab, file, "--set", "trainer.batch=256", "--set", "trainer.head.mixture=none", *FAST))
    # `schema` has ingested the rows, and `run` has reused its output.
    assert ingested() == 1

    (tmp_path / "new.cells").write_text("2020|fellow citizens of the united\n2020\n", encoding="utf-8")
    asked = bigvocab("predict", "--input", "new.cells", folder=tmp_path)
    assert asked.returncode == 0, asked.stderr
    assert '"states"' in asked.stdout.splitlines()[0]
    assert "new.cells:2: wrong number of cells: 1 cells, not 2" in asked.stderr

    module = tmp_path / "my_package" / "sources.py"
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    for _ in range(2):
        assert bigvocab("schema", "cells.yaml", "--force", folder=tmp_path).returncode == 0
        assert ingested() == 2

    (tmp_path / "pods").mkdir()
    pod = ["run-node", "ExampleGen", "cells.yaml", "--root", "pods", "--run-id", "one"]
    ran = bigvocab(*pod, folder=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list((tmp_path / "pods").glob("artifacts/ExampleGen/examples/*/counts.json"))


def test_an_encoder(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = sessions_configuration(tmp_path)
    written(tmp_path, "my_package/encoders.py", "mean.yaml")
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = yaml.safe_load((tmp_path / "mean.yaml").read_text(encoding="utf-8"))
    tree["trainer"] |= {**own["trainer"], "epochs": 1}
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    check(file, run(bigvocab, file))
    asked = answers(bigvocab, file, [{"items": ["the", "united"], "shop": "shop 202"}])
    assert len(asked[0]) == 10
    assert cached(file) is False
    check(file, run(bigvocab, file))
    assert cached(file)

    # A changed encoder is trained again. The training fails at once, because the first one has shown that it succeeds.
    module = tmp_path / "my_package" / "encoders.py"
    change = (
        "def changed(self, input_shape):\n    raise RuntimeError('the changed encoder')\n\n\nMean.build = changed\n"
    )
    module.write_text(f"{module.read_text(encoding='utf-8')}\n\n{change}", encoding="utf-8")
    failed = run(bigvocab, file)
    assert failed.returncode == 1
    assert "Trainer failed. RuntimeError: the changed encoder" in failed.stdout
    trained = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert (trained["Transform"], trained["Trainer"]) == (True, False)

    wrong = run(bigvocab, file, "--set", "trainer.model.scael=1")
    assert wrong.returncode == 2
    assert "unknown key trainer.model.scael; did you mean 'scale'?" in wrong.stderr


def test_a_loss(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = sessions_configuration(tmp_path)
    written(tmp_path, "my_package/losses.py", "smoothed.yaml")
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    smoothed = yaml.safe_load((tmp_path / "smoothed.yaml").read_text(encoding="utf-8"))["trainer"]
    tree["trainer"] |= {**smoothed, "batch": 256, "epochs": 1, "model": {**tree["trainer"].get("model", {}), **LIGHT}}
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    check(file, run(bigvocab, file))
    nll = summary(file)["metrics"]["nll"]
    check(file, run(bigvocab, file))
    assert cached(file)

    def trained(*options: str) -> dict[str, bool]:
        result = run(bigvocab, file, *options)
        assert result.returncode == 0, result.stdout + result.stderr
        return {node["name"]: node["cached"] for node in summary(file)["nodes"]}

    # The key reaches the loss, and the source is a part of the Trainer's cache key.
    nodes = trained("--set", "trainer.head.smoothing=0.5")
    assert (nodes["Transform"], nodes["Trainer"]) == (True, False)
    assert summary(file)["metrics"]["nll"] > nll + 0.01
    module = tmp_path / "my_package" / "losses.py"
    module.write_text(module.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    nodes = trained()
    assert (nodes["Transform"], nodes["Trainer"]) == (True, False)
    assert summary(file)["metrics"]["nll"] == pytest.approx(nll, rel=1e-7)  # The Evaluator adds up in any order.

    for setting, fault in (
        ("trainer.head.smoothng=1", "unknown key trainer.head.smoothng; did you mean 'smoothing'?"),
        ("trainer.head.form=my_package.losses:Smoothd", "has no class 'Smoothd'; did you mean 'Smoothed'?"),
    ):
        wrong = run(bigvocab, file, "--set", setting)
        assert wrong.returncode == 2
        assert fault in wrong.stderr

    # The exported model answers without the package.
    shutil.rmtree(tmp_path / "my_package")
    assert len(answers(bigvocab, file, [{"items": ["the", "united"], "shop": "shop 202"}])[0]) == 10


def test_a_node(started_bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = sessions_configuration(tmp_path)
    # The recipe adds lines to a file of BigVocab, so a copy is changed, which no process may have imported before.
    for package in ("benchmarks", "components", "pipeline", "schemas"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    written(tmp_path, "my_package/longest.py", "my_package/node.py", "my_package/longest.html.j2")
    nodes = tmp_path / "pipeline" / "nodes.py"
    first, rest = "    ExampleGenNode(),\n", nodes.read_text(encoding="utf-8")
    assert first in rest
    more = "from my_package.node import LongestNode\n"
    nodes.write_text(rest.replace("\nNODES", f"\n{more}\nNODES").replace(first, f"{first}    LongestNode(),\n"))

    result = run(started_bigvocab, file, "--set", "trainer.epochs=1", *FAST)
    found = check(file, result)
    rows = [json.loads(line) for line in (tmp_path / "sessions.jsonl").read_text().splitlines()]
    assert 1 < found["longest"] <= max(len(row["items"]) for row in rows)
    assert f"the longest row has {found['longest']:,} tokens" in result.stdout
    assert [node["name"] for node in found["nodes"]].count("Longest") == 1
    report = (tmp_path / "runs" / file.stem / "report" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Longest row</h2>" in report
    again = run(started_bigvocab, file, "--set", "trainer.epochs=1", *FAST)
    cached = {node["name"]: node["cached"] for node in check(file, again)["nodes"]}
    assert cached["Longest"]
