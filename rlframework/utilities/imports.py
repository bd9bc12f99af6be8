"""Imports by name: optional packages, with the extra that brings them, and what a command line names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: Name of the module, such as ``"rich.table"``.
        extra: The extra of this package that brings it.

    Raises:
        ImportError: It is not installed; the message says how to install it.

    Example:
        >>> require("no_such_package", extra="report")
        Traceback (most recent call last):
        ...
        ImportError: no_such_package is not installed; it comes with: pip install 'rlframework[report]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{package} is not installed; it comes with: pip install 'rlframework[{extra}]'") from error


def named_module(place: str) -> ModuleType:
    """Import a module; what lies in the working folder, or beside a file, can be imported along.

    Args:
        place: ``package.module`` or ``path/to/file.py``.

    Raises:
        ImportError: There is no such module or file.

    Example:
        >>> named_module("rlframework.utilities.imports").__name__
        'rlframework.utilities.imports'
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
