"""Build the image of kubeflow/Dockerfile, and run a pipeline with one container of the image for each node.

buildah builds the checked-out commit on a Debian 13 from debootstrap. The image compiles the pipeline and runs its
nodes, as user 1000 who can write to the claim and to /tmp only. The metadata store is a MariaDB server of this machine.
Exit code 0: it works, or it cannot be tried here, and the reason was printed. Exit code 1: it does not work.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.nodes import REPORT
from tests.fresh_machine import host
from tests.fresh_machine.machine import Failed
from tests.image import base, index
from tests.image.buildah import Ended, Store
from tests.image.pods import Pods
from tests.kubeflow import mariadb
from tests.kubeflow.uv import UV

REPOSITORY = Path(__file__).parents[2]
CACHE = Path("~/.cache/bigvocab").expanduser()
IMAGE = "localhost/bigvocab:0.1.0"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.image", description=__doc__)
    parser.add_argument("--base", type=Path, default=CACHE, metavar="DIR", help="folder that keeps the base as a file")
    parser.add_argument("--mirror", help="Debian mirror; default: the mirror that apt uses here")
    parser.add_argument("--folder", type=Path, help="folder for images and the claim; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep images, claim and log in the folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the pipeline")
    return parser.parse_args(arguments)


def unfit(mirror: str) -> str:
    """Return the reason why the image cannot be built and tried here, or an empty string."""
    if reason := host.unfit(mirror, [base.SUITE]):
        return reason
    for command, package in (("buildah", "buildah"), ("findmnt", "util-linux")):
        if shutil.which(command, path=host.PATH) is None:
            return f"{command} is not installed (Debian, Ubuntu: apt-get install {package})"
    if importlib.util.find_spec("kfp") is None:
        return "the Kubeflow Pipelines SDK is not installed (BIGVOCAB_EXTRAS=kubeflow ./with-env ...)"
    return mariadb.missing()


def main(arguments: list[str]) -> int:
    said = options(arguments)
    mirror = said.mirror or host.mirror()
    if reason := unfit(mirror):
        _say(f"skipped: {reason}")
        return 0
    if subprocess.run(["git", "status", "--porcelain"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=False).stdout:
        _say("uncommitted changes are left out")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    if said.folder:
        said.folder.mkdir(parents=True, exist_ok=True)
    folder = said.folder or Path(tempfile.mkdtemp(prefix="bigvocab-image-"))
    folder = folder.resolve()
    store = Store(folder / "store", folder / "log")
    try:
        _build(store, folder, said, mirror)
        _try(store, folder, said)
    except Failed as failure:
        _say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    finally:
        for number in _SIGNALS:  # A second interrupt must not prevent the removal of the containers.
            signal.signal(number, signal.SIG_IGN)
        if said.keep:
            _say(f"images, claim and log are in {folder}")
        else:
            _remove(store, folder)
    return 0


def _remove(store: Store, folder: Path) -> None:
    try:
        store.remove()
    except Failed as failure:
        _say(str(failure))
    else:
        shutil.rmtree(folder)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    # Not sys.stdout, which is the log while the orchestrator runs.
    print(f"image: {line}", file=sys.__stdout__, flush=True)


def _build(store: Store, folder: Path, said: argparse.Namespace, mirror: str) -> None:
    """Build the image, and check that it holds none of the secrets of the build."""
    started = time.monotonic()
    store.import_tree("localhost/base", base.debian(said.base, mirror, folder / "log"))
    store.import_tree("localhost/uv", Path(UV).resolve())
    _say(
        f"base: Debian {base.SUITE}, {_megabytes(store.size('localhost/base'))}, in {time.monotonic() - started:.0f} s"
    )
    mark = secrets.token_hex(16)
    with _temporary(folder) as temporary:
        archive = temporary / "context.tar"
        subprocess.run(["git", "archive", "--output", archive, "HEAD"], cwd=REPOSITORY, check=True)
        with tarfile.open(archive) as files:
            files.extractall(temporary / "context", filter="data")
        dockerfile = temporary / "context" / "kubeflow" / "Dockerfile"
        arguments = {"BASE": "localhost/base", "UV": "localhost/uv", "PYTHON": base.PYTHON}
        started = time.monotonic()
        given = index.secrets(temporary, mark)
        store.build(IMAGE, dockerfile, "cpu", arguments, given, temporary / "context")
    layers = store.layers(IMAGE)
    _say(f"built in {time.monotonic() - started:.0f} s: {_megabytes(store.size(IMAGE))} in {len(layers)} layers")
    for step, size in layers:
        _say(f"  {_megabytes(size):>10}  {' '.join(step.split())[:80]}")
    if found := store.containing(mark):
        raise Failed(f"secrets of the build are in the image or in a layer of its stages: {', '.join(found)}")
    _say("no layer, configuration or history holds the settings of the package index or the certificates")


def _try(store: Store, folder: Path, said: argparse.Namespace) -> None:
    """Run the pipeline with containers of the image, and check the results."""
    with _temporary(folder) as database, mariadb.running(database) as environment:
        pods = Pods(store, IMAGE, folder, environment)
        pods.check_user()
        _say("the user of the image can write to the claim and to /tmp only")
        images = (f"kubeflow.image={IMAGE}", f"kubeflow.nodes={{Trainer: {{image: '{IMAGE}'}}}}")
        settings = [word for setting in (*images, *said.set) for word in ("--set", setting)]
        ended = pods.command("bigvocab", "compile", "--quick", *settings, "-o", "/data/pipeline.yaml")
        _say(f"compiled in {ended.seconds:.0f} s")
        started = time.monotonic()
        with (folder / "log").open("a") as log, contextlib.redirect_stdout(log):
            pods.run(pods.claim / "pipeline.yaml", _show)
        name, summary = pods.check_results()
        metrics = summary["metrics"]
        _say(
            f"run in {time.monotonic() - started:.0f} s: recall@10 {metrics['recall_at_10']:.3f}, "
            f"perplexity {metrics['perplexity']:.1f}, pushed version {pods.versions()[0]}"
        )
        ended = pods.command("bigvocab", "predict", "--model", f"/data/runs/{name}", "the state of the")
        _say(f"predicted in {ended.seconds:.0f} s:\n{ended.out}")


def _show(node: str, ended: Ended) -> None:
    """Show the duration of the container, and the line of the node, with its own duration, from the log."""
    line = node if node == REPORT else ended.out.strip().splitlines()[-1].strip()
    _say(f"{ended.seconds:6.0f} s  {line}")


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        yield Path(temporary)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
