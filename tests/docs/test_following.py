"""Test of the program that follows a page as a reader would."""

from __future__ import annotations

from pathlib import Path

from tests.docs.following import follow

PAGE = """
```sh
test ! -e mine.yaml && echo "of the command" > mine.yaml    # as `bigvocab init` does
./with-env bigvocab serve
```

```yaml
# mine.yaml
name: mine
```

```sh
grep -q "name: mine" mine.yaml
```

*Untested: needs a server.*

```sh
exit 3
```

```sh
false
true
```
"""


def test_files_and_commands_follow_in_the_order_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    folder = tmp_path / "reader"
    folder.mkdir()
    assert [code for _, code in follow(page, folder)] == [0, 0, 1]
