"""Flink session cluster: a job manager and task managers, as processes that only this machine can connect to."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from apache_beam.utils.subprocess_server import JavaHelper, pick_port

HOST = "127.0.0.1"
Found = TypeVar("Found")
_JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
_PARAMETERS = "org.apache.flink.runtime.util.bash.BashJavaUtils"
# From Flink's default configuration. Without these options, Java 17 denies Flink access to JDK internals.
_EXPORTED = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")
_OPEN = (
    "java.lang", "java.net", "java.io", "java.nio", "sun.nio.ch", "java.lang.reflect", "java.text", "java.time",
    "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "java.util.concurrent.locks",
)  # fmt: skip
JAVA_17 = [
    *(f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTED),
    *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPEN),
]
# Even a loaded machine starts three JVMs in less time.
_DEADLINE = 120


class ClusterError(Exception):
    """Error: a process of the cluster has ended, or a wait has timed out."""


class Cluster:
    """Cluster with two slots per task manager, so that one task manager can take over the work of two.

    Attributes:
        processes: Processes by name: `jobmanager`, and the task managers by their Flink ids.
        address: Address of the REST API.
    """

    def __init__(self, home: Path, folder: Path) -> None:
        """Create the configuration. Start no process yet.

        Args:
            home: Folder with Flink's `lib` and `bin`.
            folder: Folder for configuration, logs and temporary files.
        """
        self._home, self._folder = home, folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._files = contextlib.ExitStack()
        rpc, rest = pick_port(None, None)
        self.address = f"{HOST}:{rest}"
        said = {
            "jobmanager": {"rpc.address": HOST, "rpc.port": rpc, "bind-host": HOST, "memory.process.size": "1g"},
            "taskmanager": {
                "host": HOST, "bind-host": HOST, "numberOfTaskSlots": 2, "load-balance.mode": "SLOTS",
                "memory.flink.size": "1536m", "memory.jvm-metaspace.size": "512m", "memory.network.fraction": 0.2,
            },
            "rest": {"address": HOST, "bind-address": HOST, "port": rest, "bind-port": rest},
            "io.tmp.dirs": str(folder / "tmp"),
            "web.refresh-interval": "200 ms",
            # A killed task manager is detected within seconds, and a slow task manager is tolerated.
            "heartbeat": {"interval": "1s", "timeout": "60s", "rpc-failure-threshold": 2},
            "restart-strategy": {"type": "fixed-delay", "fixed-delay": {"attempts": 3, "delay": "1s"}},
        }  # fmt: skip
        (folder / "tmp").mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(said))

    def start(self, task_managers: int) -> None:
        """Start all processes and wait until each task manager has registered with the job manager.

        Raises:
            ClusterError: A process has ended, or two minutes were not enough.
        """
        jvm, settings = self._parameters("GET_JM_RESOURCE_PARAMS")
        self._start("jobmanager", jvm, _JOB_MANAGER, *settings)
        jvm, settings = self._parameters("GET_TM_RESOURCE_PARAMS")
        for number in range(1, task_managers + 1):
            name = f"taskmanager-{number}"
            self._start(name, jvm, _TASK_MANAGER, *settings, "-D", f"taskmanager.resource-id={name}")
        self.until(lambda: len(self.task_managers()) == task_managers, f"{task_managers} task managers")

    def stop(self) -> None:
        """Terminate the remaining processes."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self._files.close()

    def kill(self, name: str) -> None:
        """Kill a process without a clean shutdown."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def ask(self, path: str) -> Any:
        """Return the answer of the REST API.

        Raises:
            OSError: The API does not answer, or answers with an error.
        """
        with urllib.request.urlopen(f"http://{self.address}/{path}", timeout=10) as answer:
            return json.load(answer)

    def task_managers(self) -> dict[str, dict[str, Any]]:
        """Return the registered task managers by id. The result is empty while the job manager does not answer yet."""
        try:
            return {one["id"]: one for one in self.ask("taskmanagers")["taskmanagers"]}
        except OSError:
            return {}

    def at_work(self) -> list[str]:
        """Return the task managers that run steps of a job in which other steps have finished."""
        found = set()
        with contextlib.suppress(OSError):  # The API does not answer yet, or the job has just ended.
            for job in self.ask("jobs")["jobs"]:
                steps = self.ask(f"jobs/{job['id']}")["vertices"] if job["status"] == "RUNNING" else []
                if any(step["status"] == "FINISHED" for step in steps):
                    for step in steps:
                        hosts = self.ask(f"jobs/{job['id']}/vertices/{step['id']}/taskmanagers")["taskmanagers"]
                        found |= {host["taskmanager-id"] for host in hosts if host["status-counts"]["RUNNING"]}
        return sorted(found & set(self.processes))

    def kill_at_work(self, ended: Callable[[], bool]) -> None:
        """Kill a task manager in the middle of a job.

        Raises:
            ClusterError: The job ended before, or did not start within two minutes.
        """

        def busy() -> list[str]:
            if ended():
                raise ClusterError("the job ended before a task manager could be killed")
            return self.at_work()

        self.kill(self.until(busy, "task at work")[0])

    def until(self, condition: Callable[[], Found], what: str) -> Found:
        """Wait for a condition and return its truthy result.

        Raises:
            ClusterError: A process has ended, or two minutes were not enough.
        """
        deadline = time.monotonic() + _DEADLINE
        while not (found := condition()):
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise ClusterError(f"{name} has ended with {process.returncode}:\n{self._log(name)}")
            if time.monotonic() > deadline:
                raise ClusterError(f"no {what} after {_DEADLINE} s:\n{self._log('jobmanager')}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.processes["jobmanager"].wait(0.2)
        return found

    def _start(self, name: str, jvm: list[str], main: str, *arguments: str) -> None:
        log = self._files.enter_context((self._folder / f"{name}.log").open("wb"))
        command = [
            JavaHelper.get_java(), *jvm, *JAVA_17, "-Dlog4j2.level=INFO", "-classpath", f"{self._home}/lib/*", main,
            "--configDir", str(self._folder), *arguments,
        ]  # fmt: skip
        self.processes[name] = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT)

    def _parameters(self, of: str) -> tuple[list[str], list[str]]:
        """Return the JVM flags and memory settings that Flink's own start script passes on."""
        answer = subprocess.run(
            [JavaHelper.get_java(), "-classpath", f"{self._home}/lib/*:{self._home}/bin/*", _PARAMETERS,
             of, "--configDir", str(self._folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        mark = "BASH_JAVA_UTILS_EXEC_RESULT:"
        jvm, settings = (line.removeprefix(mark) for line in answer.stdout.splitlines() if line.startswith(mark))
        return jvm.split(), settings.split()

    def _log(self, name: str) -> str:
        return "\n".join((self._folder / f"{name}.log").read_text().splitlines()[-20:])


@contextlib.contextmanager
def running(home: Path, folder: Path, task_managers: int = 2) -> Iterator[Cluster]:
    """Yield a running cluster and stop it at the end."""
    cluster = Cluster(home, folder)
    try:
        cluster.start(task_managers)
        yield cluster
    finally:
        cluster.stop()
