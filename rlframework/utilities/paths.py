"""Folders: one to write to, checked before the work starts; a cache, and what is made in it once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def writable_folder(path: str | Path) -> Path:
    """Make a folder if need be and try to write to it.

    Raises:
        PermissionError: It cannot be made or written to, for the reason that the message gives.

    Example:
        >>> writable_folder(tempfile.mkdtemp()).is_dir()
        True
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(f"cannot write to the folder {folder}: {error}; choose another one") from error
    return folder


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Return the folder where made models are kept: the one named, or ``rlframework`` in the user's cache folder."""
    return Path(cache_dir or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rlframework")


@contextmanager
def made_once(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder to fill, and rename it to ``folder`` when that went well.

    In one step, so that a killed run leaves no half model and two runs at once do not mix theirs; of those the first
    one's stays.

    Args:
        folder: The folder to make; the ones above it are made if need be.

    Raises:
        PermissionError: The folder above it cannot be written to.

    Example:
        >>> folder = Path(tempfile.mkdtemp()) / "cache" / "model"
        >>> with made_once(folder) as scratch:
        ...     _ = (scratch / "weights").write_text("1, 2, 3")
        >>> [path.name for path in folder.iterdir()]
        ['weights']
    """
    with tempfile.TemporaryDirectory(dir=writable_folder(folder.parent)) as above:
        scratch = Path(above) / folder.name
        scratch.mkdir()
        yield scratch
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.exists():
                raise
