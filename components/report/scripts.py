"""Scripts of the report, and the policy that lets a browser run only these."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources

from markupsafe import Markup

_PACKAGE = "components.report"
VEGA = "vega/vega.js"
"""Bundle of Vega, Vega-Lite and vega-embed, see `docs/tools/vega.py`. It defines `vegaEmbed`."""


REPORT = (VEGA, "page.js")
"""Scripts of the report."""
LIVE = (*REPORT, "live.js")
"""Scripts of the page that follows a training."""


@functools.cache
def scripts(names: tuple[str, ...] = REPORT) -> tuple[Markup, ...]:
    """Return the scripts of a page in order. No part of a script ends its element."""
    files = resources.files(_PACKAGE)
    return tuple(Markup((files / name).read_text(encoding="utf-8")) for name in names)


@functools.cache
def policy(names: tuple[str, ...] = REPORT) -> str:
    """Return the content security policy of a page: these scripts, inline styles, and no connection.

    The page that follows a training may connect to its own server.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts(names))
    allowed = " ".join(f"'sha256-{found}'" for found in hashes)
    connection = "; connect-src 'self'" if names == LIVE else ""
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}{connection}"
