"""Configuration of the engine that runs Beam: examples, statistics, vocabularies and transformed records."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, field_validator, model_validator

from components.messages.redaction import is_secret_name, secret_of
from components.messages.spelling import did_you_mean
from components.spec import Spec

Address = Annotated[str, Field(pattern=r"^[^\s:/\x00-\x1f\x7f]+:\d+$")]
"""Address as `host:port`."""
Options = dict[str, bool | int | float | str]
# Most engines never use the image. Without an image name, TFX builds a source package of itself before each pipeline.
_NO_IMAGE = "--sdk_container_image=none"
# Beam's default is five minutes, which is too long to wait for the error about a misspelled address.
_DEFAULT_OPTIONS: Options = {"job_server_timeout": 60}
_RUNNER = "pipeline.beam.engine.WatchedRunner"
_REFUSED = {
    "dask": "Beam's Dask runner writes wrong splits without an error: every row goes to all of them; use another kind",
    "prism": "Beam downloads its Prism runner at the start; use 'local', which downloads nothing",
    "direct": "Beam's direct runner downloads Prism first; use 'local', the same runner without the download",
}


class LocalBeam(Spec):
    """Beam's FnApiRunner in this process. It keeps all data in memory, except data in files."""

    kind: Literal["local"] = "local"

    def arguments(self) -> list[str]:
        """Return the pipeline arguments of Beam's runner in this process."""
        # Beam's default runner would first look for a binary that it downloads.
        return ["--runner=FnApiRunner", _NO_IMAGE]


class _Remote(Spec):
    options: Options = {}
    """Other Beam pipeline options, such as `{max_num_workers: 20}`. Secrets are not allowed here: Beam reads them from
    the environment of its workers."""

    @field_validator("options")
    @classmethod
    def _no_secret_options(cls, options: Options) -> Options:
        for name, value in options.items():
            if is_secret_name(name) or (isinstance(value, str) and secret_of(value)):
                raise ValueError(
                    f"remove {name}, and set the secret in the environment of the Beam workers, so that it appears in "
                    "no file and no log"
                )
        return options

    def arguments(self) -> list[str]:
        return _flags(self.options)


class _ByWorkerPool(_Remote):
    worker_pool: Address = "localhost:50000"
    """Address of the Python worker pool, started by `bigvocab beam-workers`, as seen from the engine's workers."""
    timeout: float = Field(default=60, ge=1)
    """Seconds without an answer from the job server, or from the worker pool, after which the node fails. The pool is
    watched only if this machine can connect to it. Not used with `master` of Flink."""

    def _watched(self) -> str:
        return f"--engine_timeout={self.timeout:g}"

    def arguments(self) -> list[str]:
        pool = ["--environment_type=EXTERNAL", f"--environment_config={self.worker_pool}", _NO_IMAGE]
        return [*pool, *_flags({**_DEFAULT_OPTIONS, **self.options})]


class PortableBeam(_ByWorkerPool):
    """Any engine with a Beam job server."""

    kind: Literal["portable"]
    endpoint: Address
    """Address of the job server."""

    def arguments(self) -> list[str]:
        """Return the pipeline arguments: the job server, the worker pool and `options`."""
        return [f"--runner={_RUNNER}", f"--job_endpoint={self.endpoint}", self._watched(), *super().arguments()]


class SparkBeam(PortableBeam):
    """Apache Spark, through Beam's job server for Spark."""

    kind: Literal["spark"]  # pyright: ignore[reportIncompatibleVariableOverride]


class FlinkBeam(_ByWorkerPool):
    """Apache Flink session cluster, through a running Beam job server or one that is started for each node."""

    kind: Literal["flink"]
    endpoint: Address | None = None
    """Address of a running job server. Set either `endpoint` or `master`."""
    master: Address | None = None
    """REST address of Flink, instead of `endpoint`. Each node then starts a job server, which needs Java."""
    job_server_jar: str | None = None
    """Jar file of the job server; only with `master`. None: Beam downloads it from Maven Central."""
    version: Literal["1.17", "1.18", "1.19", "1.20"] = "1.20"
    """Version of Flink; only used with `master`."""
    parallelism: PositiveInt = 1
    """Number of parallel tasks; at most the number of slots of the task managers."""

    @model_validator(mode="after")
    def _one_way_in(self) -> FlinkBeam:
        if (self.endpoint is None) == (self.master is None):
            raise ValueError(
                "set either 'endpoint', the address of a job server, or 'master', the REST address of Flink"
            )
        if self.endpoint and self.job_server_jar:
            raise ValueError("'job_server_jar' requires 'master': the job server at 'endpoint' is already running")
        return self

    def arguments(self) -> list[str]:
        """Return the pipeline arguments: the cluster or its job server, the worker pool and `options`."""
        if self.endpoint:
            way = [f"--runner={_RUNNER}", f"--job_endpoint={self.endpoint}", self._watched()]
        else:
            way = ["--runner=FlinkRunner", f"--flink_master={self.master}", f"--flink_version={self.version}"]
            way += [f"--flink_job_server_jar={self.job_server_jar}"] if self.job_server_jar else []
        return [*way, f"--parallelism={self.parallelism}", *super().arguments()]


class DataflowBeam(_Remote):
    """Google Cloud Dataflow."""

    kind: Literal["dataflow"]
    project: str = Field(min_length=1)
    """Google Cloud project."""
    region: str = Field(min_length=1)
    """Google Cloud region."""
    temp_location: str = Field(pattern=r"^gs://[^/\x00-\x1f\x7f]+(/[^\x00-\x1f\x7f]*)?$")
    """Cloud Storage folder for temporary files, as `gs://BUCKET/FOLDER`."""
    image: str = Field(min_length=1)
    """Container image of the workers: the BigVocab image, in a registry that Dataflow can pull from."""

    def arguments(self) -> list[str]:
        """Return the pipeline arguments: the project, the image of the workers and `options`."""
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
    """Return the faults of options that Beam does not know, or that other keys of `beam` set.

    A job server has options that the Beam Python SDK does not know. With a job server, an unknown option is therefore a
    fault only if it looks misspelled.
    """
    if isinstance(spec, LocalBeam) or not spec.options:
        return []
    # Imported only when needed: the import takes a second or two.
    from apache_beam.options.pipeline_options import PipelineOptions

    known = sorted(PipelineOptions([]).get_all_options())
    bare = spec.model_copy(update={"options": {}})
    flags = {flag.partition("=")[0].removeprefix("--") for flag in bare.arguments()}
    own = {"runner", "job_endpoint", *flags} - _DEFAULT_OPTIONS.keys()
    strict = isinstance(spec, DataflowBeam)
    faults = [
        f"beam.options.{name}: other keys of beam set this option; remove it here"
        for name in spec.options
        if name in own
    ]
    for name in spec.options:
        if name in own or name in known:
            continue
        if strict or difflib.get_close_matches(name, known, 1, 0.85):
            faults.append(f"beam.options.{name}: Beam has no such option{did_you_mean(name, known)}")
    return faults


def _flags(options: Options) -> list[str]:
    # Beam switches a flag off by leaving it out.
    flags = {name: value for name, value in options.items() if value is not False}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in flags.items()]
