from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import encoders, trainings
from benchmarks.trainings import Data, Reached, Training, newest, spread, steps_within, train_all
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
    columns = '{"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"]}'
    data = Data(str(tmp_path / "nothing"), str(tmp_path), columns, 1)
    with pytest.raises(
        RuntimeError, match="^one, seed 4: ValueError: .*transform_fn: Transform wrote no vocabulary 'inputs'$"
    ):
        train_all(data, [Training("one", {}, 4, steps=2)], 1, lambda _: None)


def test_the_encoders_are_configurations() -> None:
    for trainer in encoders.ARMS.values():
        TrainerSpec.model_validate(trainer)


def test_the_table_of_encoders() -> None:
    metrics = [{"nll": 4.5, "recall_at_10": 0.51}, {"nll": 4.7, "recall_at_10": 0.53}]
    reached = {"gru": [Reached(10, 0.5, 60.0, metrics[0]), Reached(10, 0.7, 62.0, metrics[1])]}
    assert list(encoders.lines(reached))[2:] == [
        "| gru     |   0.60 |    61 | 4.600 (4.500-4.700) | 0.5200 (0.5100-0.5300) |"
    ]
    assert spread([1.0, 2.0], 1) == "1.5 (1.0-2.0)"


@pytest.mark.parametrize(
    ("cpu_seconds", "start", "step", "steps"),
    [(240, 40, 0.1, 2_000), (240, 0, 0.1, 2_400), (240, 40, 0.3, 666), (1, 3, 0.1, 20), (0, 0, 0.1, 20)],
)
def test_the_steps_of_a_cpu_time(cpu_seconds: float, start: float, step: float, steps: int) -> None:
    assert steps_within(cpu_seconds, start, step) == steps


def test_running_trainings_end_together() -> None:
    processes = trainings._Processes()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(processes.run, ["sleep", "600"])
        while not processes._running and not waiting.done():
            pass
        processes.end()
        assert waiting.result() == (-9, "", "")
    assert processes.run([sys.executable, "-c", "print(1)"]) == (1, "", "")


def test_a_failed_training_does_not_end_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: object, command: list[str]) -> tuple[int, str, str]:
        if '"seed": 2' in command[-1]:
            return 1, "", "Traceback\nValueError: too few examples\n"
        return 0, 'a line\n{"steps": 1, "epochs": 0.5, "cpu": 2.0, "metrics": {"nll": Infinity}}\n', ""

    monkeypatch.setattr(trainings._Processes, "run", run)
    jobs = [(Data("graph", "examples", "{}", 1), Training("one", {}, seed)) for seed in (1, 2, 3)]
    found = dict(trainings.results(jobs, 2))
    assert found[0] == found[2] == Reached(1, 0.5, 2.0, {"nll": float("inf")})
    assert str(found[1]) == "one, seed 2: ValueError: too few examples"
