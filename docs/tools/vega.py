"""Copy of Vega-Lite that the report embeds, written by `python -m docs.tools.vega`.

The package `vl-convert-python` of the dependency group `browser` contains Vega, Vega-Lite and vega-embed. Users do not
need the package: the copy is part of BigVocab. `LICENSES.txt` beside the copy has the licenses of its parts.
"""

from __future__ import annotations

from components.report.scripts import VEGA
from docs.tools.repository import ROOT

FILE = ROOT / "components" / "report" / VEGA


def bundle() -> str:
    """Return the three libraries as one classic script that defines `vegaEmbed`, with a comment on their versions."""
    import vl_convert

    versions = {
        "Vega": vl_convert.get_vega_version(),
        "Vega-Lite": vl_convert.get_vegalite_versions()[-1],
        "vega-embed": vl_convert.get_vega_embed_version(),
    }
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    # The bundle has declarations at its top level, which must not become globals of the page.
    of = versions["Vega-Lite"]
    code = vl_convert.javascript_bundle(snippet=None, vl_version=of).strip()  # pyright: ignore[reportArgumentType]
    return f"/* {listed}. Licenses: components/report/vega/LICENSES.txt of BigVocab. */\n(() => {{\n{code}\n}})();\n"


if __name__ == "__main__":
    FILE.write_text(bundle(), encoding="utf-8")
    print(f"{FILE.relative_to(ROOT)}: {FILE.stat().st_size:,} bytes")
