"""Flink, and Beam's job server for it: fetched once, checked, and kept outside of the tree."""

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
"""As in kubeflow/manifests/components/flink."""
_MINOR = FLINK.rpartition(".")[0]
_FLINK_SHA256 = "e6aee62ea1a1fe7b32e28894ad079f3f1a50a372a4caac3df52405267f4228c8"
# Seconds without a byte, not for the whole.
_PATIENCE = 60


class Unfetched(Exception):
    """Something is not to be had from here: what, from where, and why."""


class Damaged(Exception):
    """What came is not what was published."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bigvocab"


def flink(kept: Path | None = None) -> Path:
    """Flink's jars, in folders `lib` and `bin`: of the package `apache-flink-libraries`.

    Args:
        kept: where it is kept (default: the cache).

    Raises:
        Unfetched: the package index does not have it, or does not answer.
        Damaged: it has another file of this version.
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
    """Where Beam itself would download the job server that goes with it and with this Flink."""
    return JavaJarServer.path_to_beam_jar(f":runners:flink:{_MINOR}:job-server:shadowJar")


def job_server(url: str | None = None, kept: Path | None = None) -> Path:
    """Beam's job server for Flink: a jar file.

    Its checksum is the one that Maven Central publishes beside it.

    Args:
        url: of the jar (default: `job_server_url()`).
        kept: where it is kept (default: the cache).

    Raises:
        Unfetched: it is not at this address, or nothing answers there.
        Damaged: the checksum is another one.
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
    """Raises Unfetched, also while it is read."""
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
    """A folder for what is not whole yet, on the same disk."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as folder:
        yield Path(folder)


def _move(whole: Path, place: Path) -> None:
    try:
        whole.rename(place)
    except OSError:
        # Another process was faster: a folder does not take the place of one that is there.
        if not place.exists():
            raise
