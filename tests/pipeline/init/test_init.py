"""Tests of `bigvocab init` on small files of different kinds."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.ingest.spec import DataSpec
from pipeline.cli import main
from pipeline.config.loading import load
from tests.components.ingest.conftest import Ingest
from tests.components.ingest.conftest import ingest as ingest

_WORDS = "the a good bad film plot actor scene long short very not story end music"


def shopping(rows: int = 300) -> list[dict[str, Any]]:
    """Return rows with two items, a label, a price, an identifier and a constant."""
    rng, found = random.Random(0), []
    for number in range(rows):
        viewed = rng.randrange(10)
        found.append(
            {
                "row_id": f"r{number:05}",
                "Viewed before": f"i{rng.randrange(150)}",
                "viewed": f"i{viewed}",
                "price": f"{rng.random() * 50:.2f}" if number % 9 else "NA",
                "country": rng.choice(["DE", "FR"]),
                "shop": "main",
                "bought": f"L{viewed}",
            }
        )
    return found


def log(rows: int = 400) -> list[dict[str, Any]]:
    rng = random.Random(0)
    found = []
    for number in range(rows):
        user = rng.randrange(50)
        found.append(
            {"user_id": user, "item_id": 100 + rng.randrange(30), "ts": 1_700_000_000 + 60 * number,
             "price": rng.random(), "plan": f"p{user % 3}"}
        )  # fmt: skip
    return found


def reviews(rows: int = 200) -> list[dict[str, Any]]:
    words = _WORDS.split()
    rng, found = random.Random(0), []
    for _ in range(rows):
        label, part = rng.choice(["pos", "neg"]), rng.choice(["train", "train", "dev", "test"])
        found.append({"text": " ".join(rng.choices(words, k=8)), "label": label, "part": part})
    return found


def text_of(rows: list[dict[str, Any]], delimiter: str = ",", header: bool = True) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_log(path: Path) -> None:
    path.write_text("".join(f"{r['user_id']}::{r['item_id']}::{r['ts']}\n" for r in log()))


def write_sessions(path: Path) -> None:
    rng = random.Random(0)
    rows = [{"items": [f"i{rng.randrange(30)}" for _ in range(rng.randint(2, 9))]} for _ in range(200)]
    pq.write_table(pa.Table.from_pylist(rows), path)


FILES: dict[str, tuple[Callable[[Path], object], dict[str, Any], dict[str, Any]]] = {
    # File, writer, keys of the source, keys of the data.
    "excel.csv": (
        lambda path: path.write_bytes(text_of(shopping(), ";").encode("utf-16")),
        {"kind": "csv", "delimiter": ";"},
        {
            "shape": "labelled",
            "inputs": ["Viewed before", "viewed"],
            "label": "bought",
            "tokenizer": "none",
            "missing": ["NA"],
            "features": {"price": {"kind": "number"}, "country": {"kind": "category"}},
        },
    ),
    "log.jsonl": (
        lambda path: path.write_text("\n".join(map(json.dumps, log()))),
        {"kind": "jsonl"},
        {
            "shape": "events",
            "group_by": "user_id",
            "order_by": "ts",
            "inputs": ["item_id"],
            "tokenizer": "none",
            "features": {"plan": {"kind": "category"}},
        },
    ),
    "ratings.dat": (
        write_log,
        {"kind": "csv", "delimiter": "::", "header": False, "columns": ["c1", "c2", "c3"]},
        {"shape": "events", "group_by": "c1", "order_by": "c3", "inputs": ["c2"], "tokenizer": "none"},
    ),
    "reviews.tsv": (
        lambda path: path.write_text(text_of(reviews(), "\t")),
        {"kind": "csv"},
        {
            "shape": "labelled",
            "inputs": ["text"],
            "label": "label",
            "tokenizer": "words",
            "splits": {"column": "part"},
        },
    ),
    "sessions.parquet": (
        write_sessions, {"kind": "parquet"}, {"shape": "sequence", "inputs": ["items"], "tokenizer": "none"}
    ),
    "train.txt": (
        lambda path: path.write_text("".join(f"__label__{r['label']} {r['text']}\n" for r in reviews())),
        {"kind": "fasttext"},
        {"shape": "labelled", "inputs": ["text"], "label": "label", "tokenizer": "words"},
    ),
    "book.txt": (
        lambda path: path.write_text("".join(f"{r['text']}.\n{r['text']}.\n\n" for r in reviews())),
        {"kind": "text"},
        {"shape": "sequence", "inputs": ["text"], "tokenizer": "words"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_gets_a_configuration_that_reads_it(
    name: str, tmp_path: Path, ingest: Ingest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, source, data = FILES[name]
    write(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert main(["init", name, "-o", "mine.yaml"]) == 0
    found = yaml.safe_load(Path("mine.yaml").read_text())
    assert found["data"].pop("source") == {**source, "path": name}
    assert found["data"] == data
    printed = capsys.readouterr().out
    assert "Written: mine.yaml and mine.schema.pbtxt\nNext: bigvocab run mine.yaml" in printed
    spec = DataSpec.model_validate(yaml.safe_load(Path("mine.yaml").read_text())["data"])
    assert ingest(spec).counts()["bad"] == {}


def test_reasons_stand_beside_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(text_of(shopping()))
    assert main(["init", "rows.csv"]) == 0
    text = Path("rows.yaml").read_text()
    assert "#   row_id: 100% distinct: an identifier" in text
    assert "#   shop: always 'main'" in text
    assert "country: {kind: category}                 # 2 distinct values" in text
    schema = Path("rows.schema.pbtxt").read_text()
    assert 'value: "DE"' in schema
    assert schema.count("feature {") == 5


def test_a_guess_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{key: row[key] for key in ("Viewed before", "viewed", "bought")} for row in shopping()]
    Path("rows.csv").write_bytes(text_of(rows, header=False).replace("i14", "ä14").encode("cp1252"))
    assert main(["init", "rows.csv"]) == 0
    text = Path("rows.yaml").read_text()
    assert "# ? The text is not UTF-8, and is read as cp1252" in text
    assert "# ? The first row looks like data" in text
    assert "# ? The label: 'c3' is the last column with few distinct values." in text
    assert yaml.safe_load(text)["data"]["source"] == {
        "kind": "csv", "path": "rows.csv", "encoding": "cp1252", "header": False, "columns": ["c1", "c2", "c3"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "inputs", "label", "doubt"),
    [
        (
            [{"text": r["text"], "tone": r["label"], "label": "yes"} for r in reviews()],
            ["text"],
            "tone",
            "'label' is named like a label, but has one class, 'yes'",
        ),
        (
            [{"text": r["text"], "label": r["label"], "bought": f"L{n % 9}"} for n, r in enumerate(reviews())],
            ["text"],
            "label",
            "The label: 'bought' is named like one too",
        ),
        ([{"bought": ["a", "b", f"c{n % 9}"]} for n in range(200)], ["bought"], None, None),
    ],
    ids=["one class", "two labels", "baskets"],
)
def test_a_doubtful_label_is_marked(
    rows: list[dict[str, Any]],
    inputs: list[str],
    label: str | None,
    doubt: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["init", "rows.jsonl"]) == 0
    text = Path("rows.yaml").read_text()
    data = yaml.safe_load(text)["data"]
    assert (data["inputs"], data.get("label")) == (inputs, label)
    assert f"# ? {doubt}." in text or doubt is None


@pytest.mark.parametrize(
    ("empty", "inputs", "doubt"),
    [
        (3, ["company", "payment"], ""),
        (0, ["company"], ""),
        (1, ["company"], "# ? Up to 200 of 400 rows have no value in 'company', and are left out."),
    ],
    ids=["another column", "full", "no full column"],
)
def test_rows_without_a_token_are_avoided(
    empty: int, inputs: list[str], doubt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "company": f"company-{n % 61}" if not empty or n % 2 else "",
            "payment": f"way-{n % 5}" if empty != 1 or n % 7 else "",
            "label": f"zone-{n % 11}",
        }
        for n in range(400)
    ]
    Path("rows.csv").write_text(text_of(rows))
    assert main(["init", "rows.csv"]) == 0
    text = Path("rows.yaml").read_text()
    assert yaml.safe_load(text)["data"]["inputs"] == inputs
    assert ("are left out" in text) == bool(doubt)
    assert doubt in text


@pytest.mark.parametrize(
    ("tags", "more"),
    [
        (["a", "b"], {"label_kind": "classes"}),
        ("a|b", {"label_kind": "classes", "label_separator": "|"}),
        ("a; b", {"label_kind": "classes", "label_separator": ";"}),
        ('["a", "b"]', {"label_kind": "classes"}),
    ],
)
def test_several_labels_in_a_row_are_found(
    tags: Any, more: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def of(n: int) -> Any:
        one = json.dumps([f"c{n % 5}"]) if isinstance(tags, str) and "[" in tags else f"c{n % 5}"
        return tags if n % 3 else [one] if isinstance(tags, list) else one

    rows = [{"text": r["text"], "label": of(n)} for n, r in enumerate(reviews())]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["init", "rows.jsonl"]) == 0
    data = yaml.safe_load(Path("rows.yaml").read_text())["data"]
    assert (data["inputs"], data["label"]) == (["text"], "label")
    assert {key: data[key] for key in data if key.startswith("label_")} == more
    schema = Path("rows.schema.pbtxt").read_text()
    assert schema.count("max: 1") == 0


def test_categories_do_not_join_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"viewed": [f"i{n % 9}", f"i{n % 7}"] if n % 2 else [], "payment": f"way-{n % 5}", "label": f"zone-{n % 11}"}
        for n in range(400)
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["init", "rows.jsonl"]) == 0
    text = Path("rows.yaml").read_text()
    assert yaml.safe_load(text)["data"]["inputs"] == ["viewed"]
    assert "# ? Up to 200 of 400 rows have no value in 'viewed', and are left out." in text


def test_nothing_is_overwritten_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(text_of(shopping()))
    Path("rows.yaml").write_text("mine")
    assert main(["init", "rows.csv"]) == 2
    assert "rows.yaml exists already; --force overwrites it" in capsys.readouterr().err
    assert Path("rows.yaml").read_text() == "mine"
    assert main(["init", "rows.csv", "--force"]) == 0


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("none.csv", None, "none.csv does not exist"),
        ("empty.csv", b"", "the file is empty"),
        ("rows.csv.gz", b"\x1f\x8b\x08half", "breaks off"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    name: str, contents: bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if contents is not None:
        (tmp_path / name).write_bytes(contents)
    assert main(["init", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


def test_names_of_columns_add_no_keys_and_no_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "\x1b[31m\r\nquick: {trainer.epohcs: 1}\n#"
    renamed = {"shop": f"shop {odd}", "row_id": f"row_id {odd}", "price": f"price {odd}", "country": f"country {odd}"}
    rows = [{renamed.get(name, name): value for name, value in row.items()} for row in shopping()]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert main(["init", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "rows.yaml")]) == 0
    text = (tmp_path / "rows.yaml").read_text()
    data = load(str(tmp_path / "rows.yaml")).data
    assert set(renamed.values()) & {*data.features} == {renamed["price"], renamed["country"]}
    assert r"#   shop \x1b[31m\r\nquick: {trainer.epohcs: 1}\n#: " in text
    assert (text + capsys.readouterr().out).replace("\n", "").isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "rows.schema.pbtxt", "rows.yaml"]
