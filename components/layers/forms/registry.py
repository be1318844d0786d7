"""Registry of the built-in forms, and the choice among them."""

from __future__ import annotations

from typing import Any, get_args

from components.layers.forms.base import Form
from components.layers.forms.full import Full
from components.layers.forms.names import FormName
from components.layers.forms.own import Own
from components.layers.forms.shared import Shared
from components.messages.spelling import did_you_mean

FORMS: dict[str, type[Form]] = {"shared": Shared, "own": Own, "full": Full}
"""Each built-in form by its name."""


def check_form(form: Any) -> None:
    """Check that a form is a name or an instance of a form.

    Raises:
        ValueError: The value is neither a name nor an instance of a form.
    """
    names = get_args(FormName)
    if isinstance(form, Form) or form in names:
        return
    near = did_you_mean(form, names) if isinstance(form, str) else ""
    raise ValueError(f"form is {form!r}: it must be one of {', '.join(names)}, or an instance of a Form{near}")


def form_of(form: FormName | Form, classes: int, draws: int) -> Form:
    """Return the form with a name, or the form itself if it is not a name.

    With at least as many draws as classes, every name selects the full softmax. Otherwise `auto` selects `own`, the
    fastest form.

    Args:
        form: Name of a form, or a form.
        classes: Number of classes.
        draws: Number of draws per step.
    """
    if isinstance(form, Form):
        return form
    if draws >= classes:
        return Full()
    return FORMS["own" if form == "auto" else form]()
