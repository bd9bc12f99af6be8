"""Versions of the libraries that a figure depends on."""

from __future__ import annotations

from importlib.metadata import version

_LIBRARIES = ("rlframework", "torch", "pytorch-lightning", "transformers", "peft", "datasets", "torchmetrics", "numpy")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a figure depends on, by name.

    Example:
        >>> library_versions()["rlframework"]
        '0.1.0'
    """
    return {library: version(library) for library in _LIBRARIES}
