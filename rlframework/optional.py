"""Optional packages: imported where they are used, with a message that names the extra."""

from __future__ import annotations

from importlib import import_module
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
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{package} is not installed; it comes with: pip install 'rlframework[{extra}]'") from error
