"""Tests of the parts that do not need root. `make fresh-machine` tests the others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fresh_machine import host
from tests.fresh_machine.__main__ import line, main, options
from tests.fresh_machine.machine import CLONE, Failed, Machine, mounts_below


@pytest.mark.parametrize(
    ("name", "text", "mirror"),
    [
        ("sources.list", "deb http://mirror.test/debian bookworm main\n", "http://mirror.test/debian"),
        ("sources.list", "# deb http://old.test/debian x main\ndeb [arch=amd64] https://a.test/debian/ x main\n",
         "https://a.test/debian"),
        ("sources.list.d/debian.sources", "Types: deb\nURIs: http://b.test/debian\nSuites: x\n", "http://b.test/debian"),
        ("sources.list.d/other.list", "deb https://packages.test/tool tool main\n", host.DEFAULT_MIRROR),
        ("sources.list.d/s.sources", "URIs: http://c.test/debian-security\n", host.DEFAULT_MIRROR),
        ("sources.list", "deb http://archive.test/ubuntu noble main\n", host.DEFAULT_MIRROR),
        ("unrelated", "", host.DEFAULT_MIRROR),
    ],
)  # fmt: skip
def test_debian_comes_from_the_mirror_of_apt(name: str, text: str, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert host.mirror(tmp_path) == mirror


def test_only_what_leads_to_the_package_index_is_taken_along() -> None:
    index = {"PIP_INDEX_URL": "https://index.test", "UV_DEFAULT_INDEX": "https://index.test", "https_proxy": "p:1"}
    certificates = {"SSL_CERT_FILE": "/home/me/ca.pem"}
    rest = {"UV_CACHE_DIR": "/cache", "PIP_FIND_LINKS": "/wheels", "PYTHONPATH": "/src", "PATH": "/bin", "PIP_CERT": ""}
    found = host.environment({**index, **certificates, **rest})
    assert found == {**index, "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}


def test_settings_are_copied_and_never_through_a_link(tmp_path: Path) -> None:
    home, root, outside = tmp_path / "home", tmp_path / "machine", tmp_path / "outside"
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text("[global]\n")
    (home / "ca.pem").write_text("certificates\n")
    outside.write_text("as it was\n")
    (root / host.CERTIFICATES).parent.mkdir(parents=True)
    (root / host.CERTIFICATES).symlink_to(outside)
    host.copy_settings(root, {"HOME": str(home), "PIP_CERT": str(home / "ca.pem")})
    assert (root / "root/.config/pip/pip.conf").read_text() == "[global]\n"
    assert (root / host.CERTIFICATES).read_text() == "certificates\n"
    assert outside.read_text() == "as it was\n"


def test_elsewhere_it_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    assert main(["--suite", "trixie"]) == 0
    assert capsys.readouterr().out == "fresh-machine: skipped: only root can build a machine with debootstrap\n"
    monkeypatch.setattr(host.os, "geteuid", lambda: 0)
    monkeypatch.setattr(host, "PATH", "/nowhere")
    assert main([]) == 0
    assert "debootstrap is not installed (Debian, Ubuntu: apt-get install debootstrap)" in capsys.readouterr().out


def test_a_folder_with_a_mount_below_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"22 1 8:1 / / rw - ext4 a rw\n23 22 0:5 / {tmp_path}/m/dev rw - tmpfs t rw\n"
    assert mounts_below(tmp_path / "m", text) == [f"{tmp_path}/m/dev"]
    assert mounts_below(tmp_path / "m2", text) == []
    (tmp_path / "m").mkdir()
    machine = Machine(tmp_path / "m", "trixie", tmp_path / "log", {})
    monkeypatch.setattr("tests.fresh_machine.machine.mounts_below", lambda folder, _: [f"{folder}/dev"])
    with pytest.raises(Failed, match="was not removed, because of mounts"):
        machine.remove()
    assert (tmp_path / "m").exists()
    monkeypatch.undo()
    machine.remove()
    assert not (tmp_path / "m").exists()


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed: the fresh machines have none")
def test_the_commit_that_is_checked_out_is_cloned(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    (repository / "file").write_text("committed")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    (repository / "file").write_text("changed")
    machine = Machine(tmp_path / "machine", "trixie", tmp_path / "log", {})
    machine.clone(repository)
    assert (machine.root / CLONE / "file").read_text() == "committed"
    with pytest.raises(Failed, match=r"exit code 128 of git clone[\s\S]*already exists"):
        machine.clone(repository)
    machine.stop()
    with pytest.raises(Failed, match="interrupted"):
        machine.clone(repository)


def test_the_line_that_sums_up() -> None:
    summary = {"seconds": 61.2, "metrics": {"recall_at_10": 0.49612, "perplexity": 128.04}}
    found = line("3.13.5 2.41\n", summary, 55.4, 180.0, "900 passed in 300 s")
    assert found == (
        "Python 3.13.5, glibc 2.41; built in 55 s; first command 180 s, of which the run 61 s: "
        "recall@10 0.496, perplexity 128.0; tests: 900 passed in 300 s"
    )


def test_options() -> None:
    assert (options([]).suite, options([]).tests) == (None, "quick")
    assert options(["--suite", "trixie", "--tests", "all", "--include", "git"]).include == ["git"]
