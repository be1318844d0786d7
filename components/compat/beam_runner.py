"""Beam's client of a job server, with hooks for a watch over the engine.

Reason: Beam's client waits forever for a job server whose host was lost without a message, and for an engine whose
    workers were. It has no timeout for a running job. Its classes are not public.
Versions: Beam 2.73.
Remove when: A job fails by itself when its job server or its workers can no longer be reached.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import portable_runner

_CANCEL_SECONDS = 5


class EngineOptions(PipelineOptions):
    """Options of BigVocab's own runner, which job servers do not know."""

    @classmethod
    def _add_argparse_args(cls, parser: Any) -> None:
        parser.add_argument("--engine_timeout", type=float, default=60.0)


class OpenPortableRunner(portable_runner.PortableRunner):
    """Beam's `PortableRunner`, which runs each job in a context that subclasses choose."""

    @contextlib.contextmanager
    def around(self, job: Job, pool: str, timeout: float) -> Iterator[None]:
        """Return the context of a job, from the connection to the job server to the end of the job.

        Subclasses override this method, which does nothing.

        Args:
            job: The job.
            pool: `host:port` of the worker pool.
            timeout: Option `engine_timeout`: seconds.
        """
        del job, pool, timeout
        yield

    def create_job_service(self, options: PipelineOptions) -> portable_runner.JobServiceHandle:
        """Connect to the job server, by a channel that the job can close."""
        portable = options.view_as(PortableOptions)
        grpc.channel_ready_future(self._job.channel).result(timeout=portable.job_server_timeout)
        stub = beam_job_api_pb2_grpc.JobServiceStub(self._job.channel)
        return self.create_job_service_handle(stub, options)

    def run_portable_pipeline(self, pipeline: Any, options: PipelineOptions) -> portable_runner.PipelineResult:
        """Start a job as Beam does. Its result waits within the context of the job."""
        own, portable = options.view_as(EngineOptions), options.view_as(PortableOptions)
        timeout = own.engine_timeout
        with contextlib.ExitStack() as stack:
            own.engine_timeout = None  # An option that is None is not sent to the job server.
            stack.callback(setattr, own, "engine_timeout", timeout)
            self._job = job = Job(portable.job_endpoint)
            stack.enter_context(self.around(job, portable.environment_config or "", timeout))
            result = super().run_portable_pipeline(pipeline, options)
            job.id = result._job_id
            return _Result(result, stack.pop_all())


class Job:
    """Job of a job server.

    Args:
        endpoint: `host:port` of the job server.

    Attributes:
        endpoint: `host:port` of the job server.
        channel: Connection to the job server.
        id: Id of the job. Empty until the job runs.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.id = endpoint, ""
        self.channel = grpc.insecure_channel(endpoint)

    def abandon(self) -> None:
        """Cancel the job, if the job server still answers, and end all calls to it with an error."""
        with contextlib.suppress(grpc.RpcError):
            if self.id:
                request = beam_job_api_pb2.CancelJobRequest(job_id=self.id)
                beam_job_api_pb2_grpc.JobServiceStub(self.channel).Cancel(request, timeout=_CANCEL_SECONDS)
        self.channel.close()


class _Result(portable_runner.PipelineResult):
    """Result of a job, which leaves the context of the job when the job has ended."""

    def __init__(self, of: portable_runner.PipelineResult, context: contextlib.ExitStack) -> None:
        super().__init__(
            of._job_service, of._job_id, _quiet(of._message_stream), of._state_stream, of._cleanup_callbacks
        )
        self._context = context

    def wait_until_finish(self, duration: int | None = None) -> str:
        """Wait for the end of the job."""
        with self._context.pop_all():
            return super().wait_until_finish(duration)


def _quiet(messages: Iterator[Any]) -> Iterator[Any]:
    """Yield messages to their end. Beam reads them in a thread, where an error would print a traceback."""
    with contextlib.suppress(grpc.RpcError):
        yield from messages
