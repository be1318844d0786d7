from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipeline import doctor


def test_this_machine_is_fit(tmp_path: Path) -> None:
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 0, out.getvalue()
    assert "This machine is fit." in out.getvalue()


def test_what_is_wrong_comes_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_GB", 1e9)
    monkeypatch.setattr(doctor, "MEMORY_GB", 1e9)
    monkeypatch.setattr(doctor, "PACKAGES", ("tfx", "no-such-package"))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("", ""))
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 1
    text = out.getvalue()
    assert "no-such-package is not installed\n      -> ./with-env" in text
    assert "GiB free at" in text
    assert "name another --root" in text
    assert "glibc (not Alpine's musl)" in text
    assert "Something is wrong" in text


def test_a_check_that_breaks_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken() -> object:
        raise ImportError("libfoo.so is missing")

    monkeypatch.setattr(doctor, "_tensorflow", _broken)
    out = io.StringIO()
    assert doctor.examine(tmp_path, out) == 1
    assert "wrong broken: ImportError: libfoo.so is missing" in out.getvalue()
    assert "Beam" in out.getvalue()


def test_python_that_needs_a_newer_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 12, 1))
    monkeypatch.setattr(doctor.platform, "libc_ver", lambda: ("glibc", "2.36"))
    (finding,) = doctor._glibc()
    assert finding.state == "wrong"
    assert "use Python 3.11" in finding.advice
