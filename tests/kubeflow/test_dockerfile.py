"""Tests of the Dockerfile that do not build the image."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kubeflow.dockerfile import Dockerfile

ROOT = Path(__file__).parents[2]
PATH = ROOT / "kubeflow" / "Dockerfile"
DOCKERFILE = Dockerfile.read(PATH)
TARGETS = ["cpu", "gpu"]
HADOLINT = Path(sys.executable).with_name("hadolint")


def _hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, "--no-color", path], cwd=ROOT, capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say() -> None:
    found = _hadolint(PATH)
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr


@pytest.mark.parametrize(
    ("good", "bad", "rule"),
    [
        ("    && rm -rf /var/lib/apt/lists/*\n\n# Installs", "    && true\n\n# Installs", "DL3009"),
        (" --no-install-recommends ca-certificates", " ca-certificates", "DL3015"),
        ("USER 1000:1000", "USER root", "DL3002"),
    ],
)
def test_hadolint_would_have_said(good: str, bad: str, rule: str, tmp_path: Path) -> None:
    text = PATH.read_text()
    assert good in text
    (tmp_path / "Dockerfile").write_text(text.replace(good, bad))
    assert rule in _hadolint(tmp_path / "Dockerfile").stdout


def test_images_from_elsewhere_have_a_version() -> None:
    from_elsewhere = {stage.base for stage in DOCKERFILE.stages.values() if stage.base not in DOCKERFILE.stages}
    assert from_elsewhere
    for image in from_elsewhere:
        assert re.fullmatch(r"[a-z0-9./-]+:\d+(\.\d+)+", image), image


def test_base_python_and_uv_can_be_chosen() -> None:
    """Check the ARGs that `python -m tests.image` sets, and that each stage that uses one declares it."""
    assert DOCKERFILE.arguments.keys() == {"BASE", "PYTHON", "UV"}
    assert DOCKERFILE.stages["python"].base == DOCKERFILE.arguments["BASE"]
    assert DOCKERFILE.stages["uv"].base == DOCKERFILE.arguments["UV"]
    text = re.sub(r"^#.*$", "", PATH.read_text(), flags=re.MULTILINE)
    for stage in re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]:
        used = set(re.findall(r"\$\{(\w+)\}", stage.partition("\n")[2]))
        assert used == set(re.findall(r"^ARG (\w+)$", stage, re.MULTILINE)), stage


def test_settings_of_the_package_index_are_secrets() -> None:
    """Check all steps that reach the index. `uv pip install` of the wheel runs without it."""
    runs = [run for stage in DOCKERFILE.stages.values() for run in stage.of("RUN") if "uv " in run.text]
    reaching = [run for run in runs if "--no-index" not in run.text]
    assert len(reaching) == 3
    for run in reaching:
        secrets = [mount for mount in run.flags["mount"] if mount.startswith("type=secret,")]
        assert [re.search(r"id=(\w+)", mount)[1] for mount in secrets] == ["uv", "certificates"]  # type: ignore[index]


def test_the_plain_build_is_the_one_without_cuda() -> None:
    assert list(DOCKERFILE.stages)[-1] == "cpu"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_runs_as_root(target: str) -> None:
    user = DOCKERFILE.last(target, "USER")
    assert user
    # Numbers, because the kubelet cannot check that a named user is not root.
    uid, gid = map(int, user.text.split(":"))
    assert uid > 0
    assert gid > 0
    assert DOCKERFILE.stages[target].instructions[-1] == user, "what comes behind USER would run without its rights"


@pytest.mark.parametrize("target", TARGETS)
def test_commands_are_found_and_what_they_say_is_seen_at_once(target: str) -> None:
    environment = DOCKERFILE.environment(target)
    assert environment["PATH"].split(":")[0] == "/opt/bigvocab/bin"
    assert environment["PYTHONUNBUFFERED"] == "1"
    entrypoint, home = DOCKERFILE.last(target, "ENTRYPOINT"), DOCKERFILE.last(target, "WORKDIR")
    assert entrypoint
    assert home
    assert entrypoint.words == ["bigvocab"]
    assert environment["HOME"] == home.text == "/home/bigvocab"
    assert any("useradd --create-home --uid 1000" in run.text for run in DOCKERFILE.stages["runtime"].of("RUN"))


def test_no_secret_can_stay_in_a_layer() -> None:
    said = [
        word
        for stage in DOCKERFILE.stages.values()
        for name in ("ARG", "ENV", "LABEL")
        for instruction in stage.of(name)
        for word in instruction.words
    ]
    assert said
    assert not [word for word in said if re.search(r"passw|secret|token|credential|api_?key", word, re.IGNORECASE)]


def test_packages_of_ubuntu_leave_no_lists() -> None:
    runs = [run.text for stage in DOCKERFILE.stages.values() for run in stage.of("RUN") if "apt-get" in run.text]
    assert runs
    for run in runs:
        assert "apt-get install --yes --no-install-recommends " in run
        assert run.endswith("rm -rf /var/lib/apt/lists/*")


@pytest.mark.parametrize("target", TARGETS)
def test_a_change_of_source_leaves_the_dependencies_as_they_are(target: str) -> None:
    source = {"benchmarks", "bigvocab", "components", "pipeline", "schemas"}
    for stage in DOCKERFILE.line_of(f"dependencies-{target}"):
        for copy in stage.of("COPY"):
            assert not source & set(copy.words)
    first, *_ = DOCKERFILE.stages[target].of("COPY")
    assert first.flags == {"from": [f"dependencies-{target}"]}
    assert source <= {word for copy in DOCKERFILE.stages["wheel"].of("COPY") for word in copy.words}


def test_targets_differ_in_cuda_only() -> None:
    cpu, gpu = (DOCKERFILE.stages[f"dependencies-{target}"].of("RUN") for target in TARGETS)
    assert [run.text.replace(" --extra gpu", "") for run in gpu] == [run.text for run in cpu]
    assert [run.text for run in DOCKERFILE.stages["gpu"].of("RUN")] == [
        run.text for run in DOCKERFILE.stages["cpu"].of("RUN")
    ]


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    copied = {
        word
        for stage in DOCKERFILE.stages.values()
        for copy in stage.of("COPY")
        if "from" not in copy.flags
        for word in copy.words[:-1]
    }
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*", "everything is kept out that is not named"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)
