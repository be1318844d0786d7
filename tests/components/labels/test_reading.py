"""Tests of the file of labels and its faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.labels.reading import LabelsError, digest, read_items
from components.labels.spec import LabelsSpec

FEATURES = {"category": {"kind": "category"}, "price": {"kind": "number"}, "title": {"kind": "text"}}


def spec(folder: Path, text: str | None, key: str = "item", **features: dict) -> LabelsSpec:
    file = folder / "items.csv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return LabelsSpec.model_validate({"file": str(file), "key": key, "features": features or FEATURES})


def faults(of: LabelsSpec) -> list[str]:
    with pytest.raises(LabelsError) as error:
        read_items(of)
    return str(error.value).splitlines()


def test_cells_are_read_by_label(tmp_path):
    text = '\ufefftitle,item,price,more,category\n"A ""b"", c",0017,1.5,x,tea\n,18,,,\n'
    assert read_items(spec(tmp_path, text)) == {
        "0017": {"category": "tea", "price": "1.5", "title": 'A "b", c'},
        "18": {"category": "", "price": "", "title": ""},
    }


def test_all_faults_of_the_columns_are_shown_at_once(tmp_path):
    found = faults(spec(tmp_path, "Item,price,price,titel\n1,2,3,4\n"))
    assert len(found) == 4
    assert "labels.key" in found[0]
    assert "did you mean 'Item'?" in found[0]
    assert "no column 'category'" in found[1]
    assert "no column 'title'" in found[2]
    assert "did you mean 'titel'?" in found[2]
    assert "2 columns" in found[3]
    assert "'price'" in found[3]


def test_all_faults_of_the_lines_are_shown_at_once(tmp_path):
    text = "item,category,price,title\n1,a,2,x\n2,a,cheap,x\n1,b,3,y\n,b,3,y\n3,a,inf,x\n"
    file = tmp_path / "items.csv"
    assert faults(spec(tmp_path, text)) == [
        f"{file}:3: column 'price' is 'cheap', which is not a number",
        f"{file}:4: duplicate label '1', first in line 2: remove one line",
        f"{file}:5: column 'item' is empty: write the label, or remove the line",
        f"{file}:6: column 'price' is 'inf', which is not a number",
    ]


def test_many_faults_are_counted(tmp_path):
    lines = "".join(f"{i},a,no,x\n" for i in range(50))
    found = faults(spec(tmp_path, f"item,category,price,title\n{lines}"))
    assert len(found) == 21
    assert found[-1] == "... and 30 more"


def test_a_missing_file_names_its_neighbor(tmp_path):
    (tmp_path / "itemz.csv").write_text("item\n")
    (fault,) = faults(spec(tmp_path, None))
    assert "items.csv does not exist; did you mean 'itemz.csv'?" in fault


@pytest.mark.parametrize(("text", "reason"), [("", "is empty"), ("item,category,price,title\n", "no lines")])
def test_a_file_without_lines(tmp_path, text, reason):
    (fault,) = faults(spec(tmp_path, text))
    assert reason in fault


def test_unknown_kinds_and_a_key_that_is_a_feature(tmp_path):
    with pytest.raises(ValidationError) as error:
        spec(tmp_path, None, a={"kind": "categroy"}, b={"kind": "image"})
    assert error.value.error_count() == 2
    with pytest.raises(ValidationError, match="'item' is labels.key"):
        spec(tmp_path, None, item={"kind": "category"})
    with pytest.raises(ValidationError):
        LabelsSpec(file="x.csv", key="item", features={})


def test_the_digest_follows_the_contents(tmp_path):
    file = Path(spec(tmp_path, "a").file)
    first = digest(str(file))
    file.write_text("b")
    assert digest(str(file)) != first
    file.write_text("a")
    assert digest(str(file)) == first
