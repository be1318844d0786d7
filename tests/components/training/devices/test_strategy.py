import pytest
import tensorflow as tf

from components.training.devices.strategy import configure_devices, describe, make_strategy


@pytest.fixture(autouse=True)
def in_use():
    """Skip the tests unless the process has one CPU device, as without `configure_devices`."""
    if len(tf.config.list_logical_devices()) > 1:
        pytest.skip("the test needs a process with one CPU device")


def test_one_replica_needs_no_strategy():
    for replicas in (1, "auto"):
        strategy = make_strategy(replicas)
        assert strategy is tf.distribute.get_strategy()
        assert describe(strategy) == "1 CPU"


def test_devices_that_were_not_set_up_are_refused():
    with pytest.raises(ValueError, match="replicas is 2, and there are 1 CPU devices: configure_devices"):
        make_strategy(2)


def test_devices_cannot_be_set_up_once_in_use():
    configure_devices(1)
    with pytest.raises(RuntimeError, match="replicas is 3, but TensorFlow is already in use"):
        configure_devices(3)
