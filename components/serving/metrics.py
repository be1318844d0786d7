"""Metrics of the server, in the format of Prometheus.

The number of requests and their time also have the names of TensorFlow Serving, so that its dashboards work here.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from components.serving.batching import Batcher
from components.serving.versions import Versions

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_MICROSECONDS = tuple(1e6 * seconds for seconds in _SECONDS)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024, 4_096)
_OTHER = "other"
METHODS = ("predict", "explain", "suggest", "classify", "regress", "metadata", "status")
"""Names of the methods in the labels. Any other path counts as `other`, so that clients cannot invent labels."""


class Metrics:
    """Metrics of one server.

    Args:
        name: Name of the model.

    Attributes:
        batch_rows: Histogram of the rows of the calls of the model.
    """

    def __init__(self, name: str) -> None:
        self._registry, self._name = CollectorRegistry(), name
        take = self._registry
        self._requests = Counter(
            "bigvocab_serve_requests", "Requests, by method and HTTP status code.", ["method", "code"], registry=take
        )
        self._seconds = Histogram(
            "bigvocab_serve_request_seconds",
            "Time of the successful requests.",
            ["method"],
            buckets=_SECONDS,
            registry=take,
        )
        self.batch_rows = Histogram(
            "bigvocab_serve_batch_rows", "Rows of the calls of the model.", buckets=_ROWS, registry=take
        )
        self._count = Gauge(
            ":tensorflow:serving:request_count", "Requests, by status.", ["model_name", "status"], registry=take
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency", "Time of the successful requests in microseconds.",
            ["model_name", "API", "entrypoint"], buckets=_MICROSECONDS, registry=take,
        )  # fmt: skip

    def watch(self, versions: Versions, batcher: Batcher) -> None:
        """Add the state of the model and of the queue, and the memory and the CPU time of the process.

        Args:
            versions: Served version.
            batcher: Queue of the requests.
        """

        def collect() -> Iterator[Metric]:
            yield GaugeMetricFamily("bigvocab_serve_model_version", "Served version.", versions.current.version)
            yield GaugeMetricFamily(
                "bigvocab_serve_broken",
                "1 if the newest version could not be loaded.",
                float(versions.broken is not None),
            )
            loads = CounterMetricFamily("bigvocab_serve_loads", "Versions that were loaded.", labels=["result"])
            for result, count in versions.loads.items():
                loads.add_metric([result], count)
            yield loads
            yield GaugeMetricFamily("bigvocab_serve_waiting_rows", "Rows that wait for the model.", batcher.waiting)
            yield GaugeMetricFamily("process_resident_memory_bytes", "Resident memory in bytes.", _resident_bytes())
            usage = resource.getrusage(resource.RUSAGE_SELF)
            yield CounterMetricFamily("process_cpu_seconds", "CPU time in seconds.", usage.ru_utime + usage.ru_stime)

        self._registry.register(_Collector(collect))

    def count(self, method: str, code: int, seconds: float) -> None:
        """Count a request and, if it succeeded, its time.

        Args:
            method: Method of the path. A name that is not in `METHODS` counts as `other`.
            code: HTTP status code of the answer.
            seconds: Time of the request in seconds.
        """
        method = method if method in METHODS else _OTHER
        self._requests.labels(method, str(code)).inc()
        if method == "predict":
            self._count.labels(self._name, "OK" if code == 200 else "ERROR").inc()
        if code == 200:
            self._seconds.labels(method).observe(seconds)
            if method == "predict":
                self._latency.labels(self._name, "predict", "REST").observe(1e6 * seconds)

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Collector:
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self.collect = collect


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * resource.getpagesize()
