"""Tests of the names derived from column names: they are distinct and reversible."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.function.polymorphism.function_type import sanitize_arg_name

from components.names import argument, escaped, key_of, name_of, short, unescaped
from tests.drawing import drawn

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@drawn()
@given(NAMES)
def test_a_name_is_found_again(name: str) -> None:
    assert unescaped(escaped(name)) == name
    assert name_of(key_of(name)) == name


@drawn()
@given(st.one_of(NAMES, st.text("a./-_", min_size=1, max_size=150)))
def test_a_short_name_is_one_of_a_file_a_layer_and_a_node(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,120}", short(name))
    assert short(name) not in (".", "..")  # Names of files, which would be those of folders.


def test_short_names_differ() -> None:
    names = ["user.os", "user-os", "user_os", "user.2Eos", "a/b", "a_b", "A_b", "ä", "x" * 200, "x" * 201, "/" * 90]
    assert len({short(name) for name in names}) == len(names)
    assert short("party") == "party"


@drawn()
@given(NAMES)
def test_an_argument_is_what_tensorflow_makes_of_it(name: str) -> None:
    assert argument(name) == sanitize_arg_name(name)
