"""A folder to write to, checked before the work starts."""

from __future__ import annotations

import tempfile
from pathlib import Path


def writable_folder(path: str | Path) -> Path:
    """Make a folder if need be and try to write to it.

    Raises:
        PermissionError: It cannot be made or written to, for whatever reason the system gives.

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
