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


@functools.cache
def scripts() -> tuple[Markup, ...]:
    """Return the scripts of the page in order. No part of a script ends its element."""
    files = resources.files(_PACKAGE)
    return tuple(Markup((files / name).read_text(encoding="utf-8")) for name in (VEGA, "page.js"))


@functools.cache
def policy() -> str:
    """Return the content security policy of the page: these scripts, inline styles, and no connection anywhere."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts())
    allowed = " ".join(f"'sha256-{found}'" for found in hashes)
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
