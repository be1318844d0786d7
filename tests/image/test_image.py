"""Tests of the parts that build no image. `make image` tests the others."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.fresh_machine import host
from tests.fresh_machine.machine import Failed
from tests.image import __main__ as program
from tests.image import base, index
from tests.image.buildah import Ended, Store
from tests.image.pods import USER
from tests.kubeflow.dockerfile import Dockerfile


def test_elsewhere_it_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    assert program.unfit("http://mirror.test") == "only root can build a machine with debootstrap"
    monkeypatch.setattr(host, "unfit", lambda *_: "")
    monkeypatch.setattr(host, "PATH", "/nowhere")
    assert program.unfit("http://mirror.test") == "buildah is not installed (Debian, Ubuntu: apt-get install buildah)"
    monkeypatch.setattr(program.sys, "__stdout__", program.sys.stdout)
    assert program.main([]) == 0
    assert capsys.readouterr().out.startswith("image: skipped: buildah is not installed")


def test_options() -> None:
    assert program.options([]).base == Path("~/.cache/bigvocab").expanduser()
    said = program.options(["--folder", "/work", "--keep", "--set", "trainer.seed=2", "--set", "data.share=0.1"])
    assert (said.folder, said.keep, said.set) == (Path("/work"), True, ["trainer.seed=2", "data.share=0.1"])


def test_the_user_is_that_of_the_image() -> None:
    user = Dockerfile.read(program.REPOSITORY / "kubeflow" / "Dockerfile").last("cpu", "USER")
    assert user
    assert user.text == f"{USER}:{USER}"


def test_an_existing_base_is_used_again(tmp_path: Path) -> None:
    file = tmp_path / f"debian-{base.SUITE}.tar"
    file.write_bytes(b"")
    assert base.debian(tmp_path, "http://mirror.test", tmp_path / "log") == file


def test_secrets_lead_to_the_index_and_bear_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_FILES", (str(tmp_path / "uv.toml"),))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificates\n")
    variables = {"UV_DEFAULT_INDEX": 'https://me:"x"@index.test', "UV_EXTRA_INDEX_URL": "https://a https://b"}
    files = index.secrets(tmp_path, "the mark", {**variables, "SSL_CERT_FILE": str(bundle)})
    assert {name: file.stat().st_mode & 0o777 for name, file in files.items()} == {"uv": 0o600, "certificates": 0o600}
    assert files["certificates"].read_text() == "# the mark\ncertificates\n"
    assert files["uv"].read_text().startswith("# the mark\n")
    assert tomllib.loads(files["uv"].read_text()) == {
        "system-certs": True,
        "index-url": variables["UV_DEFAULT_INDEX"],
        "extra-index-url": ["https://a", "https://b"],
    }
    (tmp_path / "uv.toml").write_text("offline = true\n")
    assert index.secrets(tmp_path, "the mark", {})["uv"].read_text() == "# the mark\noffline = true\n"


FAKE = """#!/bin/sh
# A buildah that starts no container: `run` writes a file into the writable layer.
shift 6
echo "$@" >>"$CALLS"
case $1 in
from) echo container-1 ;;
run) touch "$UPPER/new"; echo said; echo noise >&2; exit 3 ;;
rmi) exit 1 ;;
unknown) echo "no such command" >&2; exit 125 ;;
esac
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    commands = tmp_path / "bin"
    commands.mkdir()
    (tmp_path / "upper").mkdir()
    findmnt = f"#!/bin/sh\necho rw,lowerdir=/a:/b,upperdir={tmp_path}/upper,workdir=/c\n"
    for name, text in {"buildah": FAKE, "findmnt": findmnt}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("UPPER", str(tmp_path / "upper"))
    return Store(tmp_path / "store", tmp_path / "log")


def test_a_command_has_a_container_of_its_own_which_is_removed(store: Store, tmp_path: Path) -> None:
    ended = store.run("image", ["bigvocab", "--help"], ["/claim:/data"], {"NAME": "a value"})
    assert ended == Ended(3, "said\n", ended.seconds, frozenset({"/new"}))
    assert (tmp_path / "calls").read_text().splitlines() == [
        "from --pull-never image",
        "run --isolation chroot --volume /claim:/data --env NAME=a value container-1 -- bigvocab --help",
        "mount container-1",
        "umount container-1",
        "rm container-1",
    ]
    assert "noise" in store.last_lines()


def test_a_failure_shows_the_end_of_the_log(store: Store) -> None:
    with pytest.raises(Failed, match=r"exit code 125 of buildah unknown[\s\S]*no such command"):
        store("unknown")


def test_a_store_with_a_mount_below_is_not_removed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.image.buildah.mounts_below", lambda folder, _: [f"{folder}/storage/overlay/a/merged"])
    with pytest.raises(Failed, match="was not removed, because of mounts"):
        store.remove()
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    store.remove()
    assert not (tmp_path / "store").exists()
