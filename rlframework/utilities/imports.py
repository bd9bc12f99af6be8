"""Imports by name: optional packages, with the extra that brings them, and what a command line names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from rlframework.utilities.errors import described


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
    """Import a module; modules of the working folder, or of a file's own folder, can be imported, too.

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


def find_attribute(name: str, home: str) -> Any:
    """Import the class, function or object that a command line names.

    Args:
        name: ``module:attribute``, ``path/to/file.py:attribute``, ``package.module.Class``, or a bare name.
        home: Module that a bare name is looked for in.

    Raises:
        ValueError: There is no such thing, or its module raises; the message says what was looked for.

    Example:
        >>> names = ("rlframework.rewards:CorrectAnswer", "rlframework.rewards.CorrectAnswer", "CorrectAnswer")
        >>> [find_attribute(name, "rlframework.rewards").__name__ for name in names]
        ['CorrectAnswer', 'CorrectAnswer', 'CorrectAnswer']
    """
    place, colon, attribute = name.rpartition(":")
    if not colon:
        place, _, attribute = name.rpartition(".")
        place = place or home
    try:
        found: Any = named_module(place)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"cannot find {name!r}: {error}; expected module:attribute or file.py:attribute") from error
    except Exception as error:
        raise ValueError(f"importing {place} for {name!r} raises {described(error)}; correct it there") from error
    return found


def _put_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
