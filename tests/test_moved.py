"""Old import paths: they lead to the same things, with a warning that names the new ones."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

import viz
from viz.moved import NEW_NAMES


@pytest.mark.parametrize("old", NEW_NAMES)
def test_a_module_is_found_by_its_old_name(old):
    with pytest.warns(DeprecationWarning, match=f"{old} is now {NEW_NAMES[old]}"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(NEW_NAMES[old])
    assert module.__spec__.name == module.__name__ == NEW_NAMES[old]
    del sys.modules[old]


@pytest.mark.parametrize("old", NEW_NAMES)
def test_what_has_the_name_of_a_module_of_before_stays_what_it_is(old):
    package, _, name = old.rpartition(".")
    before = vars(importlib.import_module(package)).get(name)
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        module = importlib.import_module(old)
    after = vars(sys.modules[package])[name]
    assert after is (module if before is None or isinstance(before, ModuleType) else before)
    del sys.modules[old]


@pytest.mark.parametrize("name", ["Units", "load_model", "wrap_model"])
def test_names_that_left_the_models_are_found_there(name):
    import viz.inputs
    import viz.models

    with pytest.warns(DeprecationWarning, match=f"viz.models.{name} is now"):
        found = getattr(viz.models, name)
    assert found is getattr(viz, name, None) or found is viz.inputs.Units


def test_names_that_never_were_are_refused():
    with pytest.raises(AttributeError, match="nothing"):
        viz.models.nothing  # noqa: B018
