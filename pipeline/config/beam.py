"""Which engine Beam's work is done by: examples, statistics, vocabularies and transformed records."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from components.spec import Spec
from components.spelling import did_you_mean

Address = Annotated[str, Field(pattern=r"^[^\s:/]+:\d+$")]
"""`host:port`."""
Options = dict[str, bool | int | float | str]
# Never used by most engines. Without a name, TFX builds a source package of itself before each pipeline of Beam.
_NO_IMAGE = "--sdk_container_image=none"
# Beam's own default is five minutes, which is what a misspelt address would take to be noticed.
_UNLESS_SAID: Options = {"job_server_timeout": 60}
_REFUSED = {
    "dask": "Beam's Dask runner loses rows without a word: what is parted into splits goes to all of them",
    "prism": "Beam downloads its Prism runner when it starts; 'local' needs nothing",
    "direct": "Beam's direct runner looks for Prism first, a binary that it downloads; 'local' is the same without",
}


class LocalBeam(Spec):
    """This process: Beam's FnApiRunner, all in memory that is not in files."""

    kind: Literal["local"] = "local"

    def arguments(self) -> list[str]:
        # Explicit: Beam's default runner would first look for a binary that it downloads.
        return ["--runner=FnApiRunner", _NO_IMAGE]


class _Remote(Spec):
    options: Options = {}
    """Any other of Beam's pipeline options, as in `{max_num_workers: 20}`."""

    def arguments(self) -> list[str]:
        return _flags(self.options)


class _ByWorkerPool(_Remote):
    workers: Address = "localhost:50000"
    """Of a pool of Python workers, `bigvocab beam-workers`, as the engine's own workers reach it."""

    def arguments(self) -> list[str]:
        pool = ["--environment_type=EXTERNAL", f"--environment_config={self.workers}", _NO_IMAGE]
        return [*pool, *_flags({**_UNLESS_SAID, **self.options})]


class PortableBeam(_ByWorkerPool):
    """Any engine behind a job server of Beam's."""

    kind: Literal["portable"]
    endpoint: Address
    """Of the job server."""

    def arguments(self) -> list[str]:
        return ["--runner=PortableRunner", f"--job_endpoint={self.endpoint}", *super().arguments()]


class SparkBeam(PortableBeam):
    """Apache Spark, behind Beam's job server for it."""

    kind: Literal["spark"]  # pyright: ignore[reportIncompatibleVariableOverride]


class FlinkBeam(_ByWorkerPool):
    """An Apache Flink session cluster: behind Beam's job server for it, or with one that is started for each node."""

    kind: Literal["flink"]
    endpoint: Address | None = None
    """Of a job server that runs."""
    master: Address | None = None
    """In its place: Flink's REST address. Starting a job server needs Java."""
    job_server: str | None = None
    """With `master`: the job server's jar file. None: Beam downloads it from Maven Central."""
    version: Literal["1.17", "1.18", "1.19", "1.20"] = "1.20"
    """With `master`: of Flink."""
    parallelism: PositiveInt = 1
    """Tasks side by side: not more than the task managers have slots."""

    @model_validator(mode="after")
    def _one_way_in(self) -> FlinkBeam:
        if (self.endpoint is None) == (self.master is None):
            raise ValueError("either 'endpoint', a job server's address, or 'master', Flink's own")
        if self.endpoint and self.job_server:
            raise ValueError("'job_server' goes with 'master': a job server at 'endpoint' is there already")
        return self

    def arguments(self) -> list[str]:
        if self.endpoint:
            way = ["--runner=PortableRunner", f"--job_endpoint={self.endpoint}"]
        else:
            way = ["--runner=FlinkRunner", f"--flink_master={self.master}", f"--flink_version={self.version}"]
            way += [f"--flink_job_server_jar={self.job_server}"] if self.job_server else []
        return [*way, f"--parallelism={self.parallelism}", *super().arguments()]


class DataflowBeam(_Remote):
    """Google Cloud Dataflow."""

    kind: Literal["dataflow"]
    project: str = Field(min_length=1)
    region: str = Field(min_length=1)
    temp_location: str = Field(pattern=r"^gs://[^/]+(/.*)?$")
    image: str = Field(min_length=1)
    """What its workers run: BigVocab's image, where Dataflow can pull it."""

    def arguments(self) -> list[str]:
        return [
            "--runner=DataflowRunner", f"--project={self.project}", f"--region={self.region}",
            f"--temp_location={self.temp_location}", f"--sdk_container_image={self.image}", *super().arguments(),
        ]  # fmt: skip


def _not_refused(value: Any) -> Any:
    kind = str(value.get("kind")).lower() if isinstance(value, dict) else ""
    if kind in _REFUSED:
        raise ValueError(f"kind '{kind}': {_REFUSED[kind]}")
    return value


BeamSpec = Annotated[
    LocalBeam | PortableBeam | FlinkBeam | SparkBeam | DataflowBeam,
    Field(discriminator="kind"),
    BeforeValidator(_not_refused),
]


def option_faults(spec: LocalBeam | PortableBeam | FlinkBeam | DataflowBeam) -> list[str]:
    """The options that Beam does not know, or that the configuration says in words of its own.

    A job server has options that Beam's Python does not know of: before one, only what looks misspelt is a fault.
    """
    if isinstance(spec, LocalBeam) or not spec.options:
        return []
    # Loaded only where something is to be looked up: it takes a second or two.
    from apache_beam.options.pipeline_options import PipelineOptions

    known = sorted(PipelineOptions([]).get_all_options())
    bare = spec.model_copy(update={"options": {}})
    said = {flag.partition("=")[0].removeprefix("--") for flag in bare.arguments()}
    own = {"runner", "job_endpoint", *said} - _UNLESS_SAID.keys()
    strict = isinstance(spec, DataflowBeam)
    faults = [f"beam.options.{name} is said by the other keys of beam" for name in spec.options if name in own]
    for name in spec.options:
        if name in own or name in known:
            continue
        if strict or difflib.get_close_matches(name, known, 1, 0.85):
            faults.append(f"beam.options.{name}: Beam has no such option{did_you_mean(name, known)}")
    return faults


def _flags(options: Options) -> list[str]:
    # A switch that is off is one that is not said.
    flags = {name: value for name, value in options.items() if value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in flags.items()]
