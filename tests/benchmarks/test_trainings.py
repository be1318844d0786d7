from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import encoders
from benchmarks.trainings import Data, Reached, Training, newest, spread, train_all
from components.training.spec import TrainerSpec


def test_the_newest_transform_output(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    for number in ("9", "10", ".part"):
        (tmp_path / "Transform" / "transform_graph" / number).mkdir(parents=True)
    graph, examples = newest(tmp_path) or ("", "")
    assert graph == str(tmp_path / "Transform" / "transform_graph" / "10")
    assert examples == str(tmp_path / "Transform" / "transformed_examples" / "10")


@pytest.mark.slow
def test_what_goes_wrong_in_a_training_is_reported(tmp_path: Path) -> None:
    data = Data(str(tmp_path / "nothing"), str(tmp_path), "{}", 1)
    with pytest.raises(
        RuntimeError, match="^one, seed 4: ValueError: .*transform_fn: Transform wrote no vocabulary 'inputs'$"
    ):
        train_all(data, [Training("one", {}, 4, steps=2)], 1, lambda _: None)


def test_the_encoders_are_configurations() -> None:
    for trainer in encoders.ARMS.values():
        TrainerSpec.model_validate(trainer)


def test_the_table_of_encoders() -> None:
    reached = {"gru": [Reached(10, 0.5, 60.0, 4.5, 0.51), Reached(10, 0.7, 62.0, 4.7, 0.53)]}
    assert list(encoders.lines(reached))[2:] == [
        "| gru     |   0.60 |    61 | 4.600 (4.500-4.700) | 0.5200 (0.5100-0.5300) |"
    ]
    assert spread([1.0, 2.0], 1) == "1.5 (1.0-2.0)"
