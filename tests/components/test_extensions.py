"""Tests of dotted paths to a user's classes."""

from __future__ import annotations

import abc
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import TypeAdapter, ValidationError

from components.extensions import Kinds, is_path, resolve, resolve_class, source_modules
from components.spec import Spec

MODULE = """
import abc

from tests.components.test_extensions import Animal

class Dog(Animal):
    def sound(self): ...

class Mute(Animal):
    pass

class Stone:
    pass

def bark(): ...
"""


class Animal(abc.ABC):
    @abc.abstractmethod
    def sound(self) -> str: ...


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Create a package `made_up_zoo`, in which some modules can be imported and others cannot."""
    folder = tmp_path / "made_up_zoo"
    folder.mkdir()
    for name, source in {
        "__init__": "",
        "animals": MODULE,
        "wrong": "x = 1 / 0\n",
        "typo": "class (:\n",
        "needs": "import made_up_nothing\n",
    }.items():
        (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("made_up_zoo")]:
        del sys.modules[name]


def test_a_class_and_its_module(package: Path) -> None:
    assert resolve_class("made_up_zoo.animals:Dog", Animal).__name__ == "Dog"
    assert resolve("made_up_zoo.animals:bark", "function", callable).__name__ == "bark"
    assert source_modules("made_up_zoo.animals:Dog") == ("made_up_zoo.animals",)
    assert source_modules("csv") == ()
    assert not is_path("csv")
    assert not is_path(3)


INSTALLED = "; the module has to be installed, or on PYTHONPATH"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("made_up_zoo.animals", "not of the form package.module:class"),
        (":Dog", "not of the form package.module:class"),
        ("made_up_zoo.animals:", "not of the form package.module:class"),
        (
            "made_up_zoo.animal:Dog",
            f"No module named 'made_up_zoo.animal'{INSTALLED}; did you mean 'made_up_zoo.animals'?",
        ),
        ("made_up_zooo.animals:Dog", f"No module named 'made_up_zooo'{INSTALLED}; did you mean 'made_up_zoo'?"),
        ("made_up_zoo.needs:Dog", f"No module named 'made_up_nothing'{INSTALLED}"),
        ("made_up_zoo.wrong:Dog", "made_up_zoo.wrong cannot be imported: ZeroDivisionError: division by zero"),
        ("made_up_zoo.typo:Dog", "made_up_zoo.typo cannot be imported: SyntaxError: "),
        ("made_up_zoo.animals:Dgo", "made_up_zoo.animals has no class 'Dgo'; did you mean 'Dog'?"),
        ("made_up_zoo.animals:bark", "made_up_zoo.animals has no class 'bark'"),
        ("made_up_zoo.animals:Stone", "Stone is not derived from tests.components.test_extensions.Animal"),
        ("made_up_zoo.animals:Mute", "Mute has no sound()"),
    ],
)
def test_each_fault_of_a_path_is_one_line(package: Path, path: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}") as error:
        resolve_class(path, Animal)
    assert "\n" not in str(error.value)


class Base(Spec):
    kind: str


class Square(Base):
    kind: Literal["square"] = "square"  # pyright: ignore[reportIncompatibleVariableOverride]
    side: int = 1


class Circle(Base):
    kind: Literal["circle"]  # pyright: ignore[reportIncompatibleVariableOverride]
    radius: int = 1


class Blob(Base):
    area: float


def blob(path: str) -> type[Base]:
    if path != "made_up.shapes:Blob":
        raise ValueError("no such shape")
    return Blob


SHAPE = TypeAdapter(Annotated[Base, Kinds(Base, {"square": Square, "circle": Circle}, blob, default="square")])


def test_a_value_is_of_its_kind_and_survives_being_written() -> None:
    for value, kind in (
        ({"side": 2}, Square),
        ({"kind": "circle", "radius": 3}, Circle),
        ({"kind": "made_up.shapes:Blob", "area": 1.5}, Blob),
    ):
        shape = SHAPE.validate_python(value)
        assert type(shape) is kind
        assert SHAPE.validate_json(SHAPE.dump_json(shape)) == shape
        assert SHAPE.validate_python(shape) is shape


class Named(Spec):
    form: str


class Round(Named):
    form: Literal["round", "oval"] = "round"  # pyright: ignore[reportIncompatibleVariableOverride]
    radius: int = 1


class Free(Named):
    area: float


NAMED = TypeAdapter(
    Annotated[Named, Kinds(Named, {"round": Round, "oval": Round}, lambda path: Free, default="round", tag="form")]
)


def test_another_key_can_select_the_kind() -> None:
    for value, expected in (
        ({"radius": 2}, Round(radius=2)),
        ({"form": "oval"}, Round(form="oval")),
        ({"form": "made_up.shapes:Free", "area": 1.5}, Free(form="made_up.shapes:Free", area=1.5)),
    ):
        shape = NAMED.validate_python(value)
        assert shape == expected
        assert NAMED.validate_json(NAMED.dump_json(shape)) == shape
    for value, fault in (
        ({"form": "ovl"}, (("form",), "literal_error")),
        ({"form": "oval", "kind": "oval"}, (("kind",), "extra_forbidden")),
    ):
        with pytest.raises(ValidationError) as error:
            NAMED.validate_python(value)
        assert [(found["loc"], found["type"]) for found in error.value.errors()] == [fault]
    own, path = NAMED.json_schema()["oneOf"]
    assert own["$ref"].rpartition("/")[2] == "Round"
    assert path["required"] == ["form"]


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        ({"kind": "circel"}, {("kind",): "literal_error"}),
        ({"kind": None, "sid": 1}, {("kind",): "literal_error", ("sid",): "extra_forbidden"}),
        ({"kind": "circle", "side": 1}, {("side",): "extra_forbidden"}),
        ({"kind": "made_up.shapes:Bolb", "area": 1}, {("kind",): "value_error"}),
        ({"kind": "made_up.shapes:Blob", "area": "much"}, {("area",): "float_parsing"}),
        ({"kind": "made_up.shapes:Blob"}, {("area",): "missing"}),
        ("square", {(): "model_type"}),
    ],
)
def test_faults_have_the_places_that_the_user_wrote_them_at(value: object, faults: dict[object, str]) -> None:
    with pytest.raises(ValidationError) as error:
        SHAPE.validate_python(value)
    assert {fault["loc"]: fault["type"] for fault in error.value.errors()} == faults


def test_a_json_schema_takes_each_kind_and_any_path() -> None:
    *own, path = SHAPE.json_schema()["oneOf"]
    assert [entry["$ref"].rpartition("/")[2] for entry in own] == ["Square", "Circle"]
    assert path["required"] == ["kind"]
