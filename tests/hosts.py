"""Hosts of a test: network namespaces of this machine, joined by a switch whose cables can be pulled.

The hosts share the file system, as pods with one volume do. Each host has its address as its host name, so that a
library that publishes the host name publishes what the other hosts can reach.

    python -m tests.hosts NAMESPACE ADDRESS COMMAND...    run a command on a host
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMESPACES = Path("/run/netns")
_PREFIX = "bigvocab"
_CLONE_NEWUTS, _CLONE_NEWNET = 0x04000000, 0x40000000


@dataclass(frozen=True)
class Host:
    """Host of a test.

    Attributes:
        namespace: Name of its network namespace.
        address: IP address, at which the other hosts reach it.
    """

    namespace: str
    address: str

    def command(self, *words: str) -> list[str]:
        """Return the command that runs a command on this host, from the root of the project."""
        return [sys.executable, "-m", "tests.hosts", self.namespace, self.address, *words]


@dataclass(frozen=True)
class Network:
    """Hosts and the switch that joins them.

    Attributes:
        hosts: The hosts.
        switch: Network namespace of the switch.
    """

    hosts: tuple[Host, ...]
    switch: str

    def cut(self, host: Host) -> list[str]:
        """Return the command that pulls the cable of a host out of the switch. It works on each host too.

        Nobody is told: what is sent to the host is lost in silence.
        """
        return ["ip", "-n", self.switch, "link", "set", self._port(host), "nomaster"]

    def restore(self, host: Host) -> None:
        """Put the cable of a host back."""
        _ip("-n", self.switch, "link", "set", self._port(host), "master", "switch")

    def _port(self, host: Host) -> str:
        return f"port{self.hosts.index(host)}"


def unavailable() -> str:
    """Return the reason why this machine cannot have hosts, or an empty text if it can."""
    if sys.platform != "linux" or os.geteuid():
        return "test hosts are network namespaces, which need root on Linux"
    if not shutil.which("ip"):
        return "test hosts are network namespaces, and the command `ip` of iproute2 is not installed"
    _remove_left_over()
    probe = f"{_PREFIX}-{os.getpid()}-probe"
    try:
        _ip("netns", "add", probe)
        _ip("-n", probe, "link", "add", "switch", "type", "bridge")
        _ip("-n", probe, "link", "add", "eth0", "type", "veth", "peer", "name", "port0")
    except subprocess.CalledProcessError as error:
        return f"this kernel has no test hosts: {error.stderr.strip()}"
    finally:
        _remove(probe)
    return ""


@contextlib.contextmanager
def network(count: int) -> Iterator[Network]:
    """Join hosts by a switch, and remove all of them at the end.

    Args:
        count: Number of hosts.
    """
    switch = f"{_PREFIX}-{os.getpid()}-switch"
    hosts = tuple(Host(f"{_PREFIX}-{os.getpid()}-{index}", f"10.77.0.{index + 1}") for index in range(count))
    with contextlib.ExitStack() as made:
        for namespace in (switch, *(host.namespace for host in hosts)):
            made.callback(_remove, namespace)
            _ip("netns", "add", namespace)
        _ip("-n", switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", switch, "link", "set", "switch", "up")
        for index, host in enumerate(hosts):
            port, name = f"port{index}", host.namespace
            _ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("-n", switch, "link", "set", port, "master", "switch", "up")
            _ip("-n", name, "address", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", name, "link", "set", device, "up")
        yield Network(hosts, switch)


def enter(namespace: str, address: str) -> None:
    """Move this process to a host. The process must have one thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (_NAMESPACES / namespace).open() as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) or libc.unshare(_CLONE_NEWUTS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    socket.sethostname(address)


def call(namespace: str, address: str, function: list[str], *arguments: Any) -> int | None:
    """Call a function on a host. A job for `tests.forks`.

    Args:
        namespace: Network namespace of the host.
        address: Address of the host.
        function: Module and name of the function.
        *arguments: Arguments of the function.
    """
    enter(namespace, address)
    module, name = function
    return getattr(importlib.import_module(module), name)(*arguments)


def _remove_left_over() -> None:
    """Remove the hosts of test processes that were killed."""
    for path in _NAMESPACES.glob(f"{_PREFIX}-*"):
        if not Path(f"/proc/{path.name.split('-')[1]}").exists():
            _remove(path.name)


def _remove(namespace: str) -> None:
    if (_NAMESPACES / namespace).exists():
        _ip("netns", "delete", namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


if __name__ == "__main__":
    enter(*sys.argv[1:3])
    os.execvp(sys.argv[3], sys.argv[3:])
