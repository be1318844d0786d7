"""Tests of the Dockerfile's installation: its own commands install into a folder, without Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kubeflow.dockerfile import Dockerfile, Instruction
from tests.kubeflow.uv import UV

ROOT = Path(__file__).parents[2]
DOCKERFILE = Dockerfile.read(ROOT / "kubeflow" / "Dockerfile")
PACKAGES = ("benchmarks", "bigvocab", "components", "pipeline", "schemas")
# The only differences from the image: wheels are linked, not copied, from uv's cache, and a module is compiled when it
# is imported. To compile all 20,000 modules would take 50 s.
FASTER = {"UV_LINK_MODE": "hardlink"}
INSTALLS = re.compile(r"\buv (sync|pip install)\b")
NOT_COMPILED = r"uv \1 --no-compile-bytecode"


@dataclass
class Image:
    """Image whose folders are in a temporary folder."""

    root: Path

    def inside(self, text: str) -> str:
        """Replace the Dockerfile's folders by those of this image, and its interpreter by the current one."""
        text = text.replace(f"/usr/bin/{DOCKERFILE.arguments['PYTHON']}", str(Path(sys.executable).resolve()))
        return re.sub(r"(?<![\w.])/(opt|src|dist|app|home)\b", rf"{self.root}/\1", text)

    def environment(self, stage: str) -> dict[str, str]:
        said = {name: self.inside(value) for name, value in DOCKERFILE.environment(stage).items()}
        said.pop("UV_COMPILE_BYTECODE", None)  # uv refuses it beside the option; 0 leaves the choice to pyproject.toml.
        path = [*said.pop("PATH", "").split(":"), str(Path(UV).parent), os.environ["PATH"]]
        # Keep the caller's variables for uv's cache and index, but none that lead to this checkout.
        own = {
            name: value for name, value in os.environ.items() if not re.match(r"VIRTUAL_ENV|PYTHON|UV_PROJECT", name)
        }
        return {**own, **said, **FASTER, "PATH": ":".join(filter(None, path))}

    def build(self, stage: str) -> None:
        """Execute COPY and RUN of a stage and of its base stages."""
        where = self.root
        for one in DOCKERFILE.line_of(stage):
            for instruction in one.instructions:
                if instruction.name == "WORKDIR":
                    where = Path(self.inside(instruction.text))
                    where.mkdir(parents=True, exist_ok=True)
                elif instruction.name == "COPY" and "from" not in instruction.flags:
                    self._copy(instruction, where)
                elif instruction.name == "RUN" and "uv " in instruction.text:
                    command = INSTALLS.sub(NOT_COMPILED, instruction.text.replace(" --compile-bytecode", ""))
                    self.run(command, where, self.environment(stage) | {"HOME": os.environ["HOME"]})

    def run(self, command: str, where: Path, environment: dict[str, str]) -> str:
        command = self.inside(command)
        done = subprocess.run(
            command, shell=True, cwd=where, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _copy(self, instruction: Instruction, where: Path) -> None:
        *sources, target = instruction.words
        for source in sources:
            place = where / target / source if target.endswith("/") else where / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place)

    def command(self, command: str) -> str:
        """Run a command as in a pod: outside the source folder, with the environment of the image."""
        home = self.root / "home" / "bigvocab"
        home.mkdir(parents=True, exist_ok=True)
        environment = {**self.environment("cpu"), "HOME": str(home), "CUDA_VISIBLE_DEVICES": "-1"}
        return self.run(command, home, environment)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    made = Image(tmp_path_factory.mktemp("image"))
    for stage in ("dependencies-cpu", "wheel", "cpu"):
        made.build(stage)
    yield made
    # 3 GB, which pytest would keep. The deletion takes half a minute, in which the next tests can run.
    subprocess.Popen(["rm", "-rf", str(made.root)], start_new_session=True)


def _installed(image: Image) -> Path:
    (found,) = (image.root / "opt" / "bigvocab" / "lib").glob("python3.*/site-packages")
    return found


@pytest.mark.slow
def test_the_command_works_without_the_source(image: Image) -> None:
    presets = image.command("bigvocab presets")
    for path in (ROOT / "pipeline" / "config" / "presets").glob("*.yaml"):
        assert path.stem in presets
    assert image.command("python -c 'import pipeline; print(pipeline.__file__)'").startswith(str(_installed(image)))
    assert "This machine is ready." in image.command("bigvocab doctor")


@pytest.mark.slow
def test_files_beside_the_code_are_installed(image: Image) -> None:
    """Check that presets, schemas and templates are installed: all files but documents."""
    places = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    kept = [path for path in places if path.suffix != ".md" and "__pycache__" not in path.parts]
    files = [path.relative_to(ROOT) for path in kept]
    assert len(files) > 100
    assert not [file for file in files if not (_installed(image) / file).exists()]


@pytest.mark.slow
def test_what_pods_and_the_manifests_call_is_there(image: Image) -> None:
    commands = {path.name for path in (image.root / "opt" / "bigvocab" / "bin").iterdir()}
    assert {"bigvocab", "bigvocab-beam-worker", "python", "tensorboard", "kfp"} <= commands
    image.command("python -c 'import kfp.kubernetes, apache_beam.runners.worker.worker_pool_main'")
    image.command("bigvocab beam-workers --help")
    # No packages for developers, and none for GPUs.
    names = {path.name.partition("-")[0] for path in _installed(image).glob("*.dist-info")}
    assert {"tfx", "tensorflow", "bigvocab"} <= names
    assert not {name for name in names if name in ("pytest", "ruff", "torch") or name.startswith("nvidia")}


@pytest.mark.slow
def test_a_module_of_ones_own_is_found_in_app(image: Image) -> None:
    """Check the instructions at the head of the Dockerfile: `FROM` this image, `COPY my_package /app/my_package`."""
    package = image.root / "app" / "my_package"
    package.mkdir(parents=True)
    (package / "models.py").write_text("def make():\n    return 'mine'\n")
    assert image.command("python -c 'import my_package.models as mine; print(mine.make())'") == "mine\n"
