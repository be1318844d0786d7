from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.cli.setup import doctor
from pipeline.config.loading import load
from pipeline.execution import space


def test_this_machine_is_fit(tmp_path: Path) -> None:
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 0, out.getvalue()
    assert "This machine is ready." in out.getvalue()


def test_what_is_wrong_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_WRONG", 1e-9)
    monkeypatch.setattr(doctor, "full_temporary_folder", lambda: str(tmp_path))
    monkeypatch.setattr(doctor, "MEMORY_GB", 1e9)
    monkeypatch.setattr(doctor, "PACKAGES", ("tfx", "no-such-package"))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("", ""))
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 1
    text = out.getvalue()
    assert "no-such-package is not installed\n      -> install the locked packages with ./with-env" in text
    free = (
        rf"GiB free at {tmp_path}; a new run of sotu needs about 1\.\d GB\n      -> free some space, or choose another"
    )
    assert re.search(free, text)
    assert f"wrong the folder for temporary files is full: {tmp_path}; " in text
    assert "glibc (not Alpine's musl)" in text
    assert "This machine has faults" in text


@pytest.mark.parametrize(("free", "state"), [(10**12, "ok"), (2 * 10**9, "note"), (10**9, "note"), (10**8, "wrong")])
def test_the_free_space_is_compared_with_the_need(
    free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    (finding,) = doctor._disk(tmp_path / "runs", None)
    assert finding.state == state
    assert "a new run of sotu needs about 1.6 GB" in finding.what


def test_without_an_estimate_a_run_needs_two_gibibytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(settings=["data.source.kind=csv", "data.source.path=gs://bucket/rows.csv"])
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    (finding,) = doctor._disk(tmp_path, config)
    assert (finding.state, finding.what) == ("wrong", f"1 GiB free at {tmp_path}")
    assert finding.advice == "a run needs 2 GiB: free some space, or choose another --root"


def test_a_check_that_breaks_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken() -> object:
        raise ImportError("libfoo.so is missing")

    monkeypatch.setattr(doctor, "_tensorflow", _broken)
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 1
    assert "wrong broken: ImportError: libfoo.so is missing" in out.getvalue()
    assert "Beam" in out.getvalue()


@pytest.mark.parametrize(
    ("version", "state", "advice"),
    [((3, 11, 2), "ok", ""), ((3, 12, 1), "note", "the tests run on 3.11 and 3.13"), ((3, 13, 5), "ok", "")],
)
def test_which_python_is_tested(
    version: tuple[int, int, int], state: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", version)
    (finding,) = doctor._python()
    assert finding.state == state
    assert advice in finding.advice


def test_an_old_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 11, 2))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("glibc", "2.27"))
    (finding,) = doctor._glibc()
    assert (finding.state, finding.advice) == (
        "wrong",
        "the packages' wheels need glibc 2.28 (Debian 10, Ubuntu 20.04)",
    )


def test_python_that_needs_a_newer_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("glibc", "2.36"))
    (finding,) = doctor._glibc()
    assert finding.state == "wrong"
    assert "use Python 3.11" in finding.advice
