"""The recipes of `docs/extending.md`, as a reader follows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents import written
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import speeches
from tests.pipeline.whole_runs import check, run

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

    check(file, run(bigvocab, file))
    # `schema` has read the rows, and `run` took them from there.
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
