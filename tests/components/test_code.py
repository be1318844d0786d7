from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import components
from components.code import fingerprint


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(components, "__path__", [*components.__path__, str(tmp_path)])
    fingerprint.cache_clear()
    yield tmp_path
    fingerprint.cache_clear()
    for name in [name for name in sys.modules if name.startswith("components.made_up")]:
        del sys.modules[name]


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        (folder / f"made_up_{name}.py").write_text(source)
    fingerprint.cache_clear()


def test_changes_with_the_module_and_all_that_it_imports_and_nothing_else(modules: Path) -> None:
    write(
        modules,
        a="def f():\n    from components.made_up_b import g\n    return g()\n",
        b="from components import made_up_c\n",
        c="X = 1\n",
        d="Y = 1\n",
    )
    first = fingerprint("components.made_up_a")
    write(modules, d="Y = 2\n")
    assert fingerprint("components.made_up_a") == first
    write(modules, c="X = 2\n")
    second = fingerprint("components.made_up_a")
    assert second != first
    write(modules, a="f = None\n")
    assert fingerprint("components.made_up_a") not in (first, second)


def test_a_users_own_module_counts_with_what_it_imports_from_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_up_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text("import json\nfrom made_up_package.layers import f\n")
    (package / "layers.py").write_text("f = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    fingerprint.cache_clear()
    first = fingerprint("components.code", "made_up_package.models")
    assert first != fingerprint("components.code")
    (package / "layers.py").write_text("f = 2\n")
    fingerprint.cache_clear()
    assert fingerprint("components.code", "made_up_package.models") != first


def test_relative_imports_and_the_package_itself_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "made_up_relative"
    (package / "inner").mkdir(parents=True)
    sources = {
        "__init__.py": "SIZE = 1\n",
        "models.py": "from . import layers\n",
        "layers.py": "from .inner.deep import f\n",
        "inner/__init__.py": "",
        "inner/deep.py": "from .. import SIZE\nf = SIZE\n",
        "unused.py": "g = 1\n",
    }
    for name, source in sources.items():
        (package / name).write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    def now() -> str:
        fingerprint.cache_clear()
        return fingerprint("made_up_relative.models")

    found = [now()]
    for name in ("layers.py", "inner/deep.py", "__init__.py"):
        (package / name).write_text(sources[name] + "# changed\n")
        found.append(now())
    assert len(set(found)) == len(found)
    (package / "unused.py").write_text("g = 2\n")
    assert now() == found[-1]


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        fingerprint("components.nowhere")
