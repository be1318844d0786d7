"""Report of known vulnerabilities, and table of the licenses: `python -m tests.supply_chain audit|licenses`.

Runs in `./with-env`, which sets `UV` to the path of uv. Only `licenses` can fail.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.supply_chain import audit, licenses
from tests.supply_chain.lock import packages


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m tests.supply_chain", description=__doc__)
    parser.add_argument("verb", choices=("audit", "licenses"))
    verb, uv = parser.parse_args(arguments).verb, os.environ.get("UV", "uv")
    if verb == "audit":
        print(audit.report(uv))
        return 0
    locked = packages()
    licenses.write(uv, locked)
    faults = licenses.faults(licenses.read(), locked)
    print("\n".join(faults) or f"{licenses.TABLE} is written.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
