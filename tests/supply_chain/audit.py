"""Report of the known vulnerabilities of the locked packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests.supply_chain.lock import ROOT

_SECONDS = 60
_FOUND = 1
"""Exit code of `uv audit` after a complete audit that found vulnerabilities."""


def report(uv: str, options: Sequence[str] = ()) -> str:
    """Return the report of `uv audit`, or the reason that nothing was audited.

    A vulnerability may have no fix yet, and the service is another machine: neither fails a build.
    """
    command = [uv, "audit", "--locked", "--project", str(ROOT), "--preview-features", "audit-command", *options]
    environment = {**os.environ, "UV_HTTP_RETRIES": "1"}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Nothing was audited: {error}"
    if ended.returncode in (0, _FOUND):
        return ended.stdout.strip() or ended.stderr.strip().splitlines()[-1]
    reason = [line.strip() for line in ended.stderr.splitlines() if line.strip().startswith(("error:", "cause:"))]
    return f"Nothing was audited: {'; '.join(reason) or f'uv audit ended with code {ended.returncode}'}"
