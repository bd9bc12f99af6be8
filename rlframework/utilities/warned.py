"""Warnings as they are shown: any number of listeners hear them, and end in any order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TextIO, TypeAlias

Listener: TypeAlias = Callable[[type[Warning], str], None]

_listeners: list[Listener] = []
_installed: tuple[Callable[..., None], Callable[..., None]] | None = None
"""What shows warnings while there are listeners, and what did before it."""


def listen(listener: Listener) -> None:
    """Call a function with the class and the text of each warning that is shown from here on.

    Args:
        listener: The function.

    Example:
        >>> listen(print)
        >>> end_listening(print)
    """
    global _installed
    _listeners.append(listener)
    if _installed is None or warnings.showwarning is not _installed[0]:
        former = warnings.showwarning
        _installed = _shower(former), former
        warnings.showwarning = _installed[0]


def end_listening(listener: Listener) -> None:
    """Call it no more; after the last one warnings are shown as before.

    Args:
        listener: The function; one that does not listen is no mistake.
    """
    if listener in _listeners:
        _listeners.remove(listener)
    # What has taken our place meanwhile, as `warnings.catch_warnings` does, puts back itself what it found.
    if not _listeners and _installed is not None and warnings.showwarning is _installed[0]:
        warnings.showwarning = _installed[1]


def _shower(former: Callable[..., None]) -> Callable[..., None]:
    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        # An earlier one may still stand behind what took its place, and only hands on.
        if _installed is not None and show is _installed[0]:
            for listener in [*_listeners]:
                listener(category, str(message))
        former(message, category, filename, lineno, file, line)

    return show
