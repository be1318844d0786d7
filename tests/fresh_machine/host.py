"""Settings of this machine for a fresh machine: package sources, proxies and certificates."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

DEFAULT_MIRROR = "http://deb.debian.org/debian"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
"""The certificate bundle on a Debian machine, below its root."""
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""Search path of the commands that build a machine."""
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")
_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_INDEX_VARIABLES = (
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|DEFAULT_TIMEOUT)"
    r"|UV_(INDEX|DEFAULT_INDEX|INDEX_URL|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_TIMEOUT|NATIVE_TLS|SYSTEM_CERTS)"
    r"|(?i:(https?|ftp|all|no)_proxy)"
)
_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/uv/uv.toml")
_HOME_FILES = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml")


def unfit(mirror: str, suites: Iterable[str]) -> str:
    """Return the reason why no machine can be built here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can build a machine with debootstrap"
    for command, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("git", "git")):
        if shutil.which(command, path=PATH) is None:
            return f"{command} is not installed (Debian, Ubuntu: apt-get install {package})"
    probe = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        return f"namespaces are not permitted here: {probe.stderr.strip()}"
    for suite in suites:
        release = f"{mirror}/dists/{suite}/Release"
        try:
            urllib.request.urlopen(urllib.request.Request(release, method="HEAD"), timeout=30).close()
        except (OSError, urllib.error.URLError) as error:
            return f"the Debian mirror does not answer: {release}: {error}"
    return ""


def mirror(folder: Path = Path("/etc/apt")) -> str:
    """Return the first mirror of Debian's main archive in the sources of apt; by default Debian's own mirror."""
    for file in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]:
        text = file.read_text(errors="replace") if file.is_file() else ""
        for found in re.findall(r"^(?:deb\s+(?:\[.*?\]\s+)?|URIs:\s*)(https?://\S+)", text, re.MULTILINE):
            if re.search(r"/debian/?$", found):
                return found.rstrip("/")
    return DEFAULT_MIRROR


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for access to a package index; certificate paths are those on the machine."""
    found = {name: value for name, value in of.items() if re.fullmatch(_INDEX_VARIABLES, name)}
    return found | {name: f"/{CERTIFICATES}" for name in _BUNDLE_VARIABLES if of.get(name)}


def copy_settings(root: Path, of: Mapping[str, str]) -> None:
    """Copy name resolution, settings of pip and uv, and certificates to the machine below `root`."""
    for file in map(Path, _FILES):
        _copy(file, root / file.relative_to("/"))
    for name in _HOME_FILES:
        _copy(Path(of.get("HOME", "/root"), name), root / "root" / name)
    for bundle in [*filter(None, map(of.get, _BUNDLE_VARIABLES)), *_BUNDLES]:
        if Path(bundle).is_file():
            _copy(Path(bundle), root / CERTIFICATES)
            break


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        # The target may be a link that leaves the machine.
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
