"""Checkpoints in shards, as FSDP writes them: folders that are whole or not there, held against digests when read."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies import FSDPStrategy, ModelParallelStrategy

from rlframework.loop.checkpoint_files import DamagedCheckpointError, check_checkpoint, digest_of, sync_folder
from rlframework.utilities.distributed import all_gather_object, global_rank, raise_together

LISTING = "digests.json"
_LOCK = ".saving"
_SCRATCH = ".rlframework-shards-"
_PREVIOUS = ".rlframework-previous-"
_DAY = 24 * 60 * 60


def use_safe_folders(trainer: pl.Trainer) -> None:
    """Let an FSDP strategy, which writes and reads checkpoints itself, do both by way of `SafeFolders`."""
    strategy: Any = trainer.strategy
    if isinstance(strategy, (FSDPStrategy, ModelParallelStrategy)) and "save_checkpoint" not in vars(strategy):
        safe = SafeFolders(strategy)
        strategy.save_checkpoint = safe.save  # type: ignore[method-assign]
        strategy.load_checkpoint = safe.load  # type: ignore[method-assign]


class SafeFolders:
    """Saves the checkpoints of a sharded strategy beside their place, and holds what it reads against digests.

    Ranks write a new folder, sync and hash its files, share and share alike, and list the digests in
    ``digests.json``; then it takes the place of the older one, in two renames. A process that is killed between the
    two leaves the older folder as ``.rlframework-previous-<name>``, and the next save or load of that name puts it
    back. Ranks need a file system that all of them see, as sharded checkpoints do anyway.

    Args:
        strategy: The strategy, whose own methods do the work.
    """

    def __init__(self, strategy: FSDPStrategy | ModelParallelStrategy) -> None:
        self._strategy = strategy
        self._save, self._load = strategy.save_checkpoint, strategy.load_checkpoint

    def save(self, checkpoint: dict[str, Any], filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Save a checkpoint, of one file (which `SafeCheckpointIO` writes) or in shards; every rank has to call it.

        Args:
            checkpoint: Of this rank.
            filepath: Where to.
            *args: As in the strategy's.
            **kwargs: As in Lightning's.

        Raises:
            OSError: It cannot be written; the folder that was there is as it was.
        """
        strategy: Any = self._strategy
        target = Path(strategy.broadcast(str(filepath)))
        in_shards = getattr(strategy, "_save_distributed_checkpoint", None)
        if not (in_shards or getattr(strategy, "_state_dict_type", None) == "sharded"):
            self._save(checkpoint, target, *args, **kwargs)
            return
        scratch = Path(strategy.broadcast(str(target.with_name(f"{_SCRATCH}{secrets.token_hex(8)}"))))
        first, lock = global_rank().number == 0, None
        try:
            if first:
                target.parent.mkdir(parents=True, exist_ok=True)
                _settle(target)
                _clear(target.parent)
                lock = _locked(scratch)
            strategy.barrier()
            self._save(checkpoint, scratch, *args, **kwargs)
            strategy.barrier()
            _together(lambda: _list(scratch))
            _together(lambda: _put(scratch, target) if first else None)
        finally:
            if lock is not None:
                shutil.rmtree(scratch, ignore_errors=True)
                os.close(lock)

    def load(self, checkpoint_path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint into the model; every rank has to call it.

        Args:
            checkpoint_path: The file or folder.
            *args: As in the strategy's.
            **kwargs: As in Lightning's.

        Raises:
            DamagedCheckpointError: It is not what was saved; on a rank without the damaged file a RuntimeError that
                names it.
        """
        path = Path(self._strategy.broadcast(str(checkpoint_path)))
        _together(lambda: _settle(path) if global_rank().number == 0 else None)
        _together(lambda: _check(path) if path.is_dir() else check_checkpoint(path))
        return self._load(path, *args, **kwargs)


def _together(work: Any) -> Any:
    """Do something on every rank; if it fails on one, it fails on all."""
    error, result = None, None
    try:
        result = work()
    except Exception as raised:
        error = raised
    raise_together(error)
    return result


def _list(folder: Path) -> None:
    """Sync and hash this rank's share of the files, and write down the digests of all."""
    mine = {name: _synced(folder / name) for name in _share(folder)}
    digests = {name: value for part in all_gather_object(mine) for name, value in part.items()}
    if global_rank().number == 0:
        (folder / LISTING).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
        _synced(folder / LISTING)
        sync_folder(folder)


def _share(folder: Path) -> list[str]:
    rank, ranks = global_rank()
    return sorted(path.name for path in folder.iterdir() if path.name not in (LISTING, _LOCK))[rank::ranks]


def _synced(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return digest_of(path)


def _check(folder: Path) -> None:
    """Refuse a folder whose files are not those of its list, each rank its share; one without a list is read."""
    listing = folder / LISTING
    if not listing.is_file():
        return
    try:
        digests = json.loads(listing.read_text(encoding="utf-8"))
    except ValueError:
        raise DamagedCheckpointError(f"{folder} is damaged: {LISTING} cannot be read. {_WAY_OUT}") from None
    rank, ranks = global_rank()
    for name in sorted(digests)[rank::ranks]:
        path = folder / name
        found = digest_of(path) if path.is_file() else "none, for it is missing"
        if found != digests[name]:
            raise DamagedCheckpointError(
                f"{folder} is damaged: the digest of {name} is {found}, and was {digests[name]} when it was saved. "
                f"Nothing of it was loaded. {_WAY_OUT}"
            )


_WAY_OUT = "Resume from the checkpoint before it, or from a copy"


def _locked(scratch: Path) -> int:
    """Make the folder, with a file in it that is locked as long as this process lives."""
    scratch.mkdir()
    lock = os.open(scratch / _LOCK, os.O_RDWR | os.O_CREAT)
    with suppress(OSError):  # of a file system without locks
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _clear(folder: Path) -> None:
    """Remove what killed processes left: their lock can be had."""
    for path in folder.glob(f"{_SCRATCH}*"):
        if not (path / _LOCK).exists() and time.time() - path.stat().st_mtime < _DAY:
            continue
        with suppress(OSError), (path / _LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)


def _put(scratch: Path, target: Path) -> None:
    previous = target.with_name(f"{_PREVIOUS}{target.name}")
    if target.exists():
        target.rename(previous)
    scratch.rename(target)
    (target / _LOCK).unlink()
    sync_folder(target.parent)
    _remove(previous)


def _settle(target: Path) -> None:
    """Finish a change of places: bring back what is missing, or remove what has been replaced."""
    previous = target.with_name(f"{_PREVIOUS}{target.name}")
    if previous.exists() and not target.exists():
        previous.rename(target)
    _remove(previous)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
