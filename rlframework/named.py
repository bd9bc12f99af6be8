"""Importing the module that a command line names: by its dotted name, or by the path of its file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType


def named_module(place: str) -> ModuleType:
    """Import a module; what lies in the working folder, or beside a file, can be imported along.

    Args:
        place: ``package.module`` or ``path/to/file.py``.

    Raises:
        ImportError: There is no such module or file.

    Example:
        >>> named_module("rlframework.named").__name__
        'rlframework.named'
    """
    if not place.endswith(".py"):
        _put_first(Path.cwd())  # as with `python -m`
        return importlib.import_module(place)
    path = Path(place)
    if not path.is_file():
        raise ImportError(f"there is no file {path}")
    _put_first(path.parent.resolve())
    return importlib.import_module(path.stem)


def _put_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
