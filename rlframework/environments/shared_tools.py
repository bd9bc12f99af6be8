"""Abstract object whose methods are tools for all rows, such as a client of a server or a pool of processes."""

from __future__ import annotations

from abc import ABC

from rlframework.utilities.arguments import Checked


class SharedTools(Checked, ABC):
    """An object that all rows share; its public methods are tools. Give it to `Toolbox` in its list.

    Its methods are called from several threads at the same time, and see to limits themselves. What a row changes in
    it other rows see; for a state of a row's own give the toolbox a class.

    Attributes:
        at_once: How many calls at the same time are of use.

    Example:
        >>> import urllib.request
        >>> from rlframework.environments import Toolbox
        >>> class Library(SharedTools):
        ...     at_once = 16
        ...     def __init__(self, url: str):
        ...         self.url = url
        ...     def search(self, query: str) -> str:
        ...         '''Search the library.
        ...
        ...         Args:
        ...             query: What is looked for.
        ...         '''
        ...         return urllib.request.urlopen(f"{self.url}?{query}", timeout=5.0).read().decode()
        >>> [tool.__name__ for tool in Toolbox([Library("http://localhost:8000")]).tools]
        ['search']
    """

    at_once: int = 1
