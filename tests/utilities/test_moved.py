"""Modules that have moved are found under their old paths, with a warning that says the new one."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import rlframework
from rlframework.utilities.moved import MOVED

ROOT = Path(rlframework.__file__).parents[1]


@pytest.mark.parametrize(("old", "new"), MOVED.items(), ids=MOVED)
def test_an_old_path_leads_to_the_module(old: str, new: str) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new}"):
        module = importlib.import_module(old)
    del sys.modules[old]  # others are to be warned, too
    there = importlib.import_module(new)
    assert there.__doc__ == module.__doc__
    own = [name for name, value in vars(there).items() if getattr(value, "__module__", None) == new]
    assert all(getattr(module, name) is getattr(there, name) for name in own)


def test_nothing_is_at_an_old_path() -> None:
    assert not [old for old in MOVED if ROOT.joinpath(*old.split(".")).with_suffix(".py").exists()]


def test_no_old_path_hides_a_public_name() -> None:
    """An import of ``package.name`` makes the module the package's ``name``, whatever it was before."""
    for old in MOVED:
        package, _, name = old.rpartition(".")
        if package not in MOVED and (ROOT / package.replace(".", "/")).is_dir():
            assert name not in getattr(importlib.import_module(package), "__all__", ()), old
