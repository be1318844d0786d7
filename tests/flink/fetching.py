"""Download of Flink and of Beam's job server for Flink. Each is downloaded once, verified, and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from apache_beam.utils.subprocess_server import JavaJarServer

from tests.kubeflow.uv import UV

FLINK = "1.20.5"
"""The version in kubeflow/manifests/components/flink."""
_MINOR = FLINK.rpartition(".")[0]
_FLINK_SHA256 = "e6aee62ea1a1fe7b32e28894ad079f3f1a50a372a4caac3df52405267f4228c8"
# Seconds without a byte, not for the whole download.
_PATIENCE = 60


class Unfetched(Exception):
    """Error: a download failed. The message has the file, the address and the cause."""


class Damaged(Exception):
    """Error: a downloaded file differs from the published file."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bigvocab"


def flink(kept: Path | None = None) -> Path:
    """Return the folder with Flink's `lib` and `bin`, from the package `apache-flink-libraries`.

    Args:
        kept: where it is kept (default: the cache).

    Raises:
        Unfetched: The package index does not have the package, or does not answer.
        Damaged: The file of this version on the index differs from the pinned file.
    """
    place = (kept or cache()) / f"flink-{FLINK}"
    if not place.exists():
        with _beside(place) as new:
            (new / "pinned").write_text(f"apache-flink-libraries=={FLINK} --hash=sha256:{_FLINK_SHA256}\n")
            ended = subprocess.run(
                [UV, "pip", "install", "--quiet", "--no-cache", "--no-deps", "--require-hashes", "--python",
                 sys.executable, "--target", str(new / "site"), "--requirement", str(new / "pinned")],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if ended.returncode:
                why = ended.stderr.strip()
                error = Damaged if "Hash mismatch" in why else Unfetched
                raise error(f"apache-flink-libraries {FLINK} could not be fetched from the package index: {why}")
            _move(new / "site" / "pyflink", place)
    return place


def job_server_url() -> str:
    """Return the address of the job server for this version of Beam and of Flink, as Beam determines it."""
    return JavaJarServer.path_to_beam_jar(f":runners:flink:{_MINOR}:job-server:shadowJar")


def job_server(url: str | None = None, kept: Path | None = None) -> Path:
    """Return the jar file of Beam's job server for Flink.

    Its checksum must equal the checksum that Maven Central publishes beside the file.

    Args:
        url: Address of the jar (default: `job_server_url()`).
        kept: where it is kept (default: the cache).

    Raises:
        Unfetched: The address does not have the file, or does not answer.
        Damaged: The checksum differs.
    """
    url = url or job_server_url()
    place = (kept or cache()) / url.rpartition("/")[2]
    if not place.exists():
        with _beside(place) as new:
            with _opened(url, place) as answer, (new / "jar").open("wb") as file:
                shutil.copyfileobj(answer, file)
            with _opened(f"{url}.sha512", place) as answer:
                published = answer.read().decode().split()[0]
            with (new / "jar").open("rb") as file:
                found = hashlib.file_digest(file, "sha512").hexdigest()
            if found != published:
                raise Damaged(f"{url} has the SHA-512 {found}, and not, as published beside it, {published}")
            _move(new / "jar", place)
    return place


@contextlib.contextmanager
def _opened(url: str, place: Path) -> Iterator[http.client.HTTPResponse]:
    """Open an address. Raise `Unfetched` on errors, also those during reading."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
            yield answer
    except (OSError, http.client.HTTPException) as error:
        why = f"{error.code} {error.reason}" if isinstance(error, urllib.error.HTTPError) else str(error)
        raise Unfetched(
            f"Beam's job server for Flink {_MINOR} could not be fetched from Maven Central: {why}: {url} "
            f"(it may be put by hand at {place})"
        ) from error


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """Yield a folder on the same disk for incomplete files."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as folder:
        yield Path(folder)


def _move(whole: Path, place: Path) -> None:
    try:
        whole.rename(place)
    except OSError:
        # Another process was faster: `rename` does not replace a folder that exists.
        if not place.exists():
            raise
