"""Follow the tutorial and the how-to pages for data of your own, by `python -m tests.docs [PAGE ...]`.

Each page runs in a folder of its own, with its own data and with all epochs: about half an hour on two cores. The test
suite runs the other pages: `test_blocks.py` checks all commands, `tests/pipeline/test_extending.py` runs the recipes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.docs.blocks import ROOT
from tests.docs.following import follow

PAGES = ("docs/tutorial.md", "docs/how-to/next-item.md", "docs/how-to/tags.md")


def main() -> int:
    """Follow the pages.

    Returns:
        0, or 1 if a command failed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE", help=f"default: {', '.join(PAGES)}")
    failed = 0
    for page in parser.parse_args().pages:
        with tempfile.TemporaryDirectory(prefix="bigvocab-docs-") as folder:
            for block, code in follow(ROOT / page, Path(folder)):
                print(f"{'failed' if code else 'ok':<7} {block}", flush=True)
                failed += code != 0
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
