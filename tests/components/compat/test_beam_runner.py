"""Tests of the assumptions of `components.compat.beam_runner`, and of the need for it."""

from __future__ import annotations

import inspect

from apache_beam.runners.portability import job_server, portable_runner


def test_beams_client_of_a_job_server_does_not_notice_a_lost_host() -> None:
    assert "grpc.insecure_channel(self._endpoint)\n" in inspect.getsource(job_server.ExternalJobServer.start)
    assert "we don't set a timeout here" in inspect.getsource(portable_runner.JobServiceHandle.run)


def test_beam_has_the_parts_of_its_client() -> None:
    names = ["job_service", "job_id", "message_stream", "state_stream", "cleanup_callbacks"]
    assert list(inspect.signature(portable_runner.PipelineResult).parameters) == names
    source = inspect.getsource(portable_runner.PipelineResult.__init__)
    assert all(f"self._{name} = {name}" in source for name in names)
    source = inspect.getsource(portable_runner.PortableRunner.run_portable_pipeline)
    assert "self.create_job_service(options)" in source
