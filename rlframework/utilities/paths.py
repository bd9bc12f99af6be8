"""Folders: one to write to, checked before the work starts; a cache, and what is made in it once."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
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


def make_once(folder: Path, make: Callable[[Path], object]) -> None:
    """Fill a scratch folder and rename it to ``folder``, unless that is there already.

    In one step, so that a killed run leaves no half model. Of several processes, such as the ranks of a run, one makes
    it and the others wait; where the file system has no locks all of them do, and the first one's stays.

    Args:
        folder: The folder to make; the ones above it are made if need be.
        make: Called with the empty scratch folder.

    Raises:
        PermissionError: The folder above it cannot be written to.

    Example:
        >>> folder = Path(tempfile.mkdtemp()) / "cache" / "model"
        >>> make_once(folder, lambda scratch: (scratch / "weights").write_text("1, 2, 3"))
        >>> make_once(folder, lambda scratch: (scratch / "others").write_text("4, 5, 6"))
        >>> [path.name for path in folder.iterdir()]
        ['weights']
    """
    if folder.exists():
        return
    with (writable_folder(folder.parent) / f".{folder.name}.lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent) as above:
            scratch = Path(above) / folder.name
            scratch.mkdir()
            make(scratch)
            try:
                scratch.rename(folder)
            except OSError:
                if not folder.exists():
                    raise
