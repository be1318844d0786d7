from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import ForkServer
from tests.kubeflow.manifests import container_of
from tests.pipeline.kubeflow.pods import Pods

PASSWORD = "a\\secret 'word'"


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start a MariaDB server on a free port, and yield its settings as the environment of a pod."""
    server, install = shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), shutil.which("mariadb-install-db")
    if not server or not install:
        pytest.skip("no MariaDB server here (Debian: apt-get install mariadb-server)")
    folder = tmp_path_factory.mktemp("mariadb")
    data = folder / "data"
    common = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run([install, *common, *options], check=True, capture_output=True)
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    statements = folder / "init.sql"
    statements.write_text(
        f"CREATE USER bigvocab@'127.0.0.1' IDENTIFIED BY '{escaped}';\n"
        "GRANT ALL ON `bigvocab%`.* TO bigvocab@'127.0.0.1';\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    as_deployed = container_of("base", "StatefulSet bigvocab-metadata", "mariadb")["args"]
    command = [server, *common, *as_deployed, f"--socket={folder}/socket", f"--port={port}", "--bind-address=127.0.0.1"]
    process = subprocess.Popen(
        [*command, f"--init-file={statements}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr
        said = []
        for line in process.stderr:
            said.append(line)
            if "ready for connections" in line:
                break
        else:
            pytest.fail(f"the server did not start: {''.join(said[-5:])}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield {
            "BIGVOCAB_METADATA_HOST": "127.0.0.1",
            "BIGVOCAB_METADATA_PORT": str(port),
            "BIGVOCAB_METADATA_PASSWORD": PASSWORD,
        }
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def run_pod(forks: ForkServer, mariadb: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Pods:
    """Return a function that runs `bigvocab` as a pod does, with that server for its metadata."""
    return Pods(forks, tmp_path_factory.mktemp("pods"), mariadb)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that stands for the shared volume of the cluster."""
    return tmp_path_factory.mktemp("volume")
