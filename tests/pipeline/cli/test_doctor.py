from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipeline.cli import doctor


def test_this_machine_is_fit(tmp_path: Path) -> None:
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 0, out.getvalue()
    assert "This machine is ready." in out.getvalue()


def test_what_is_wrong_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GB", 1e9)
    monkeypatch.setattr(doctor, "MEMORY_GB", 1e9)
    monkeypatch.setattr(doctor, "PACKAGES", ("tfx", "no-such-package"))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("", ""))
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 1
    text = out.getvalue()
    assert "no-such-package is not installed\n      -> install the locked packages with ./with-env" in text
    assert "GiB free at" in text
    assert "choose another --root" in text
    assert "glibc (not Alpine's musl)" in text
    assert "This machine has faults" in text


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
