"""Addresses on which a process listens, from Linux's /proc."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_LISTEN = "0A"


def addresses(pid: int) -> list[Address]:
    """Return the addresses of the TCP sockets on which a process listens."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # The socket was closed in the meantime.
            sockets |= set(re.findall(r"^socket:\[(\d+)\]$", str(descriptor.readlink())))
    rows = [row.split() for kind in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()]
    return [_address(row[1].partition(":")[0]) for row in rows if row[3] == _LISTEN and row[9] in sockets]


def _address(text: str) -> Address:
    """Parse an address of hexadecimal words in the byte order of this machine."""
    words = bytes.fromhex(text)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = ipaddress.ip_address(packed)
    return getattr(address, "ipv4_mapped", None) or address
