"""Folder that is written as a whole: a reader finds the old contents or the new, and never half of them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LISTING = "saved_policy.json"


@contextmanager
def whole_folder(path: str | Path, about: Mapping[str, Any]) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends it takes the place of ``path``.

    If the block raises, ``path`` stays as it was. What was written here before goes; what somebody else put there
    stays, but for files of the same name. A process that is killed while the two change places, between two system
    calls, leaves the former contents next to ``path`` as ``.NAME.previous``; `settle` puts that right, and is called
    first here.

    Args:
        path: The folder to make or to replace.
        about: Settings to write into ``saved_policy.json``, next to the list of files.

    Raises:
        OSError: It cannot be written.

    Example:
        >>> target = Path(tempfile.mkdtemp(), "model")
        >>> for step in (1, 2):
        ...     with whole_folder(target, {"step": step}) as folder:
        ...         _ = (folder / f"weights_{step}").write_text("...")
        >>> sorted(file.name for file in target.iterdir()), saved_about(target)["step"]
        (['saved_policy.json', 'weights_2'], 2)
    """
    target = Path(path).resolve()
    settle(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished-", dir=target.parent))
    try:
        scratch.chmod(0o777 & ~_umask())
        yield scratch
        files = sorted(file.name for file in scratch.iterdir())
        (scratch / LISTING).write_text(json.dumps({**about, "files": files}, indent=1) + "\n", encoding="utf-8")
        if target.exists():
            target.rename(_previous(target))
        scratch.rename(target)
    finally:
        settle(target)
        shutil.rmtree(scratch, ignore_errors=True)


def settle(path: str | Path) -> None:
    """Finish a change of places: bring back what is missing, move over what is somebody else's, remove the rest."""
    target = Path(path).resolve()
    previous = _previous(target)
    if not previous.exists():
        return
    if not target.exists():
        previous.rename(target)
        return
    ours = {LISTING, *saved_about(previous).get("files", [])}
    for entry in previous.iterdir():
        if entry.name not in ours and not (target / entry.name).exists():
            entry.rename(target / entry.name)
    shutil.rmtree(previous)


def saved_about(path: str | Path) -> dict[str, Any]:
    """Return what was written about a folder; nothing if it was not written here."""
    try:
        about = json.loads((Path(path) / LISTING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def check_replaceable(path: str | Path) -> None:
    """Raise unless the folder can be replaced as a whole.

    Raises:
        PermissionError: It is a mount point or the working folder, or nothing can be written next to it.
    """
    target = Path(path).resolve()
    if target.is_mount() or Path.cwd().is_relative_to(target):
        kind = "a mount point" if target.is_mount() else "where this process runs"
        raise PermissionError(f"{target} is {kind} and cannot be replaced as a whole; name a folder inside of it")
    settle(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent):
            pass
    except OSError as error:
        raise PermissionError(
            f"cannot write to the folder {target.parent}: {error}. {target.name} is written beside its place and then "
            "put there as a whole; choose a folder in one that can be written to"
        ) from error


def _previous(target: Path) -> Path:
    return target.with_name(f".{target.name}.previous")


def _umask() -> int:
    # It can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
