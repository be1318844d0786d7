"""Tests that a download is either complete and equal to the published file, or absent."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.flink import fetching
from tests.kubeflow.manifests import objects, of_kind

JAR = b"the job server" * 1000
ANSWERS = {
    "/good.jar": JAR, "/good.jar.sha512": hashlib.sha512(JAR).hexdigest().encode(),
    "/other.jar": JAR, "/other.jar.sha512": hashlib.sha512(b"another").hexdigest().encode(),
    "/cut.jar": JAR, "/cut.jar.sha512": hashlib.sha512(JAR).hexdigest().encode(),
}  # fmt: skip


class Repository(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = ANSWERS.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/cut.jar" else body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def repository() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Repository) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_jar_is_fetched_once(repository: str, tmp_path: Path) -> None:
    found = fetching.job_server(f"{repository}/good.jar", tmp_path)
    assert found.read_bytes() == JAR
    assert list(tmp_path.iterdir()) == [found]
    assert fetching.job_server("http://nowhere.invalid/good.jar", tmp_path) == found


def test_where_there_is_none_the_address_and_the_answer_are_reported(repository: str, tmp_path: Path) -> None:
    with pytest.raises(fetching.Unfetched) as raised:
        fetching.job_server(f"{repository}/none.jar", tmp_path)
    assert f"could not be fetched from Maven Central: 404 Not Found: {repository}/none.jar" in str(raised.value)
    assert str(tmp_path / "none.jar") in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["other", "cut"])
def test_what_is_not_what_was_published_does_not_stay(repository: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(fetching.Damaged):
        fetching.job_server(f"{repository}/{name}.jar", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_flink_is_of_the_version_that_the_cluster_has() -> None:
    image = of_kind(objects("overlays/flink"), "FlinkDeployment")["bigvocab-flink"]["spec"]["image"]
    assert image.startswith(f"flink:{fetching.FLINK}-")
    minor, beam = fetching.FLINK.rpartition(".")[0], importlib.metadata.version("apache-beam")
    name = f"beam-runners-flink-{minor}-job-server"
    assert fetching.job_server_url().endswith(f"/org/apache/beam/{name}/{beam}/{name}-{beam}.jar")


def test_without_a_package_index_flink_is_not_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(fetching.Unfetched, match="apache-flink-libraries .* could not be fetched"):
        fetching.flink(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_flink_of_the_same_version_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"apache-flink-libraries-{fetching.FLINK}"
    about = f"Metadata-Version: 2.1\nName: apache-flink-libraries\nVersion: {fetching.FLINK}\n".encode()
    with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(f"{name}/PKG-INFO")
        member.size = len(about)
        archive.addfile(member, io.BytesIO(about))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    with pytest.raises(fetching.Damaged, match="Hash mismatch"):
        fetching.flink(tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
