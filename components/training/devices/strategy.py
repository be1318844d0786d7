"""Devices of a training, and the strategy by which they share the work."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from components.training.devices import workers

Replicas = int | Literal["auto"]


def configure_devices(replicas: Replicas) -> None:
    """Configure the devices.

    Must be called at the start of the process, because the first use of TensorFlow fixes the devices. GPU memory grows
    as needed, so that several nodes of a pipeline can run in one process. Without GPUs, each replica gets a logical CPU
    device. A second call with the same number does nothing.

    Args:
        replicas: Number of replicas, or `auto`.

    Raises:
        ValueError: The machine has fewer GPUs than replicas.
        RuntimeError: TensorFlow is already in use with other devices.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        if replicas != "auto" and replicas > len(gpus):
            raise ValueError(f"trainer.replicas is {replicas}, and there are {len(gpus)} GPUs")
        for gpu in gpus:
            if not tf.config.experimental.get_memory_growth(gpu):
                _configure(lambda gpu=gpu: tf.config.experimental.set_memory_growth(gpu, True), replicas)
        return
    count = 1 if replicas == "auto" else replicas
    cpu = tf.config.list_physical_devices("CPU")[0]
    # An unconfigured CPU has no logical device configuration, and counts as one logical device.
    configured = len(tf.config.get_logical_device_configuration(cpu) or [None])
    if configured < count:
        devices = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        _configure(lambda: tf.config.set_logical_device_configuration(cpu, devices), replicas)


def make_strategy(replicas: Replicas, worker_timeout: float | None = None) -> tf.distribute.Strategy:
    """Return the strategy for the devices that `configure_devices` has configured.

    One replica uses TensorFlow's default strategy. Several GPUs are mirrored with NCCL. Several logical CPU devices are
    mirrored too, but one of them sums the gradients, because NCCL has no CPU kernel. With several workers, the strategy
    covers all their GPUs, or one CPU of each worker, and the call waits for all workers.

    Args:
        replicas: Number of replicas, or `auto`.
        worker_timeout: If several workers train together, seconds after which a worker that does not answer counts as
            lost; otherwise None.

    Raises:
        ValueError: The machine has fewer devices than replicas.
        WorkerLost: Not all workers started in time.
    """
    if worker_timeout is not None:
        return workers.make_strategy(bool(tf.config.list_physical_devices("GPU")), worker_timeout)
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    automatic = len(devices) if kind == "GPU" else 1
    count = automatic if replicas == "auto" else replicas
    if count > len(devices):
        raise ValueError(
            f"trainer.replicas is {count}, and there are {len(devices)} {kind} devices: "
            "configure_devices() has to run before anything uses TensorFlow"
        )
    if count == 1:
        return tf.distribute.get_strategy()
    operations = tf.distribute.NcclAllReduce() if kind == "GPU" else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices[:count], cross_device_ops=operations)


def describe(strategy: tf.distribute.Strategy) -> str:
    """Return a description of the devices, such as "2 logical CPU devices" or "1 GPU (NVIDIA H100)"."""
    count = strategy.num_replicas_in_sync
    if workers.are_several(strategy):
        hosts = len(strategy.cluster_resolver.cluster_spec().as_dict()["worker"])
        return f"{count} devices of {hosts} workers"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        model = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unknown model")
        return f"{count} GPU{'s' if count > 1 else ''} ({model})"
    return "1 CPU" if count == 1 else f"{count} logical CPU devices"


def _configure(action, replicas: Replicas) -> None:
    try:
        action()
    except RuntimeError as error:
        raise RuntimeError(
            f"trainer.replicas is {replicas}, but TensorFlow is already in use in this process: {error}"
        ) from error
