import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.training.loop.plan import make_plan
from components.training.spec import TrainerSpec
from tests.drawing import drawn


def spec(**values) -> TrainerSpec:
    return TrainerSpec.model_validate(values)


def test_passes_become_steps_and_validations():
    plan = make_plan(spec(batch=100, epochs=3, validations_per_epoch=2, warmup=0.1), 1_050, 1)
    assert (plan.steps_per_pass, plan.validations, plan.interval, plan.steps) == (10, 6, 5, 30)
    assert plan.warmup == 3


def test_part_of_a_pass_is_validated_once():
    plan = make_plan(spec(batch=100, epochs=0.5), 1_000, 1)
    assert (plan.validations, plan.interval) == (1, 5)


def test_no_more_steps_are_left_out_than_there_are_validations():
    plan = make_plan(spec(batch=100, epochs=2, validations_per_epoch=2), 192_700, 1)
    assert (plan.validations, plan.interval) == (4, 963)  # of 3,854 steps
    plan = make_plan(spec(batch=10, epochs=1, validations_per_epoch=10), 190, 1)
    assert plan.steps == 19


def test_few_examples_make_a_smaller_batch():
    assert make_plan(spec(batch=1_024, epochs=2), 7, 2).batch == 6


def test_a_batch_has_the_labels_of_the_longest_cut():
    plan = make_plan(spec(batch=64), 1_000, 2, least_batch=81)
    assert (plan.batch, plan.steps_per_pass) == (82, 12)
    assert make_plan(spec(batch=64), 50, 1, least_batch=81).batch == 50


def test_fewer_examples_than_replicas_are_refused():
    with pytest.raises(ValueError, match="1 examples .* 2 replicas"):
        make_plan(spec(), 1, 2)


@drawn()
@given(st.integers(1, 10**7), st.floats(0.001, 50), st.integers(1, 4_096), st.integers(1, 20), st.floats(0, 0.99))
def test_every_plan_can_be_carried_out(windows, epochs, batch, validations, warmup):
    plan = make_plan(spec(batch=batch, epochs=epochs, validations_per_epoch=validations, warmup=warmup), windows, 1)
    assert 1 <= plan.batch <= windows
    assert plan.steps_per_pass * plan.batch <= windows
    assert plan.interval >= 1
    wanted = max(1, int(epochs * plan.steps_per_pass))
    assert wanted - min(plan.validations, plan.interval) < plan.steps <= wanted
    assert 0 <= plan.warmup < plan.steps
