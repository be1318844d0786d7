"""MariaDB server with the options of the manifest, for the metadata of pods."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.kubeflow.manifests import container_of

PASSWORD = "a\\secret 'word'"
_PATH = "/usr/sbin:/usr/bin"


def missing() -> str:
    """Return the reason why no server can be started here, or an empty string."""
    if shutil.which("mariadbd", path=_PATH) and shutil.which("mariadb-install-db"):
        return ""
    return "no MariaDB server here (Debian: apt-get install mariadb-server)"


@contextlib.contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server on a free port, yield its settings as the environment of a pod, and end the server.

    Args:
        folder: Empty folder for its data.

    Raises:
        RuntimeError: The server did not start.
    """
    data = folder / "data"
    common = ["--no-defaults", f"--datadir={data}", f"--user={getpass.getuser()}"]
    options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(["mariadb-install-db", *common, *options], check=True, capture_output=True)
    escaped = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    statements = folder / "init.sql"
    statements.write_text(
        f"CREATE USER bigvocab@'127.0.0.1' IDENTIFIED BY '{escaped}';\n"
        "GRANT ALL ON `bigvocab%`.* TO bigvocab@'127.0.0.1';\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = shutil.which("mariadbd", path=_PATH) or "mariadbd"
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
            raise RuntimeError(f"the server did not start: {''.join(said[-5:])}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield {
            "BIGVOCAB_METADATA_HOST": "127.0.0.1",
            "BIGVOCAB_METADATA_PORT": str(port),
            "BIGVOCAB_METADATA_PASSWORD": PASSWORD,
        }
    finally:
        process.terminate()
        process.wait()
