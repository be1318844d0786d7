from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_validation.infer import NoValues, infer_schema, write_schema
from components.ingest.rows.columns import Columns
from components.ingest.spec import DataSpec, FeatureSpec, SourceSpec
from tests.components.data_validation.conftest import MakeStatistics, address

CSV = SourceSpec(kind="csv", path="x.csv")
SIDE = {"year": FeatureSpec(kind="number"), "party": FeatureSpec(kind="category")}
SEQUENCE = DataSpec(shape="sequence", source=CSV, inputs=["words"], features=SIDE)
ROOT = Path(__file__).parents[3]


def test_a_sequence(make_statistics: MakeStatistics, rows: dict[str, list[Columns]], tmp_path: Path) -> None:
    schema = infer_schema(make_statistics(rows).uri, SEQUENCE)
    path = tmp_path / "new" / "schema.pbtxt"
    write_schema(schema, path)
    assert path.read_text().startswith("# proto-file")
    assert text_format.Parse(path.read_text(), schema_pb2.Schema()) == schema

    words, year, party = schema.feature
    assert [f.name for f in schema.feature] == ["words", "year", "party"]
    assert [f.type for f in schema.feature] == [schema_pb2.BYTES, schema_pb2.FLOAT, schema_pb2.BYTES]
    assert words.value_count == schema_pb2.ValueCount(min=2)
    assert words.presence.min_fraction == 1.0
    assert words.WhichOneof("domain_info") is None
    assert words.HasField("skew_comparator")
    assert words.HasField("drift_comparator")
    assert list(party.string_domain.value) == ["Democratic", "Nonpartisan", "Republican"]
    assert party.distribution_constraints.min_domain_mass == 0.95
    assert not party.HasField("skew_comparator")
    # One row has no year.
    assert year.presence.min_fraction < 1.0


def test_spans_allow_what_any_of_them_has_and_twice_their_drift(
    make_statistics: MakeStatistics, rows: dict[str, list[Columns]]
) -> None:
    whig = [address("budget budget budget budget", 1850, "Whig")] * len(rows["train"])
    newest, alone = make_statistics(rows, "newest").uri, infer_schema(make_statistics(rows).uri, SEQUENCE)
    words, _, party = infer_schema(newest, SEQUENCE, [make_statistics({**rows, "train": whig}, "earlier").uri]).feature
    assert {*party.string_domain.value} == {"Democratic", "Nonpartisan", "Republican", "Whig"}
    # The share of "budget" falls from 1 to 0.
    assert words.drift_comparator.infinity_norm.threshold == 2.0
    assert words.skew_comparator == alone.feature[0].skew_comparator


def test_labelled_rows(make_statistics: MakeStatistics, rows: dict[str, list[Columns]]) -> None:
    data = DataSpec(
        shape="labelled", source=CSV, inputs=["words"], label="party", features={"year": FeatureSpec(kind="number")}
    )
    for split in rows.values():
        for row in split:
            row["party"] = row["party"] or ["Whig"]
    words, label, _ = infer_schema(make_statistics(rows).uri, data).feature
    assert words.value_count == schema_pb2.ValueCount(min=1)
    assert not words.HasField("skew_comparator")
    assert label.value_count == schema_pb2.ValueCount(min=1, max=1)
    assert label.presence.min_fraction == 1.0
    assert label.WhichOneof("domain_info") is None
    assert label.HasField("skew_comparator")
    assert label.HasField("drift_comparator")


def test_a_column_without_values_is_named(make_statistics: MakeStatistics, rows: dict[str, list[Columns]]) -> None:
    data = SEQUENCE.model_copy(update={"slices": ["decade"]})
    with pytest.raises(NoValues, match="'decade'"):
        infer_schema(make_statistics(rows).uri, data)


def labelled(rows: int, labels: int) -> list[Columns]:
    return [{"words": ["a"], "party": [f"L{n % labels}"]} for n in range(rows)]


LABELLED = DataSpec(shape="labelled", source=CSV, inputs=["words"], label="party")


def test_a_label_may_lie_as_far_off_as_chance_explains(make_statistics: MakeStatistics) -> None:
    splits = {"train": labelled(150, 10), "eval": labelled(19, 10), "test": labelled(30, 10)}
    [_, label] = infer_schema(make_statistics(splits).uri, LABELLED).feature
    # sqrt((1 / 150 + 1 / 19) / 2 * ln(2 * 10 / 0.001)) = 0.5419
    assert label.skew_comparator.infinity_norm.threshold == label.drift_comparator.infinity_norm.threshold == 0.55
    assert list(label.annotation.tag) == ["by_rows"]


def test_the_data_that_a_schema_is_inferred_from_keeps_to_it(make_statistics: MakeStatistics) -> None:
    # A hash keeps 190 equal rows together: the whole eval split is L0, which has a twentieth of the train split.
    splits = {"train": labelled(950, 20), "eval": labelled(190, 1), "test": labelled(190, 20)}
    [_, label] = infer_schema(make_statistics(splits).uri, LABELLED).feature
    assert label.skew_comparator.infinity_norm.threshold == pytest.approx(1.9)


def test_the_curated_schema_knows_every_column_of_the_default_configuration() -> None:
    text = (ROOT / "schemas" / "sotu" / "schema.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert set(features) == {"words", "year", "president", "party", "decade"}
    # A sequence has two words or more, but a row with a label may have one.
    assert features["words"].value_count.min == 1
    assert features["words"].HasField("skew_comparator")
    assert features["words"].HasField("drift_comparator")
    assert features["party"].domain == schema.string_domain[0].name
