"""Checkpoint files that are whole or not there: written beside their place, and held against a digest when read."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
import torch
import xxhash
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.plugins.io.wrapper import _WrappingCheckpointIO
from pytorch_lightning.strategies import Strategy

# The end record of a zip archive, which is what torch writes: 20 bytes, the length of a comment in two, the comment.
_END, _END_BYTES = b"PK\x05\x06", 20
_MARK = b"rlframework checkpoint; xxh3_128 of what is before: "
_COMMENT = re.compile(re.escape(_MARK) + rb"([0-9a-f]{32})")
_COMMENT_BYTES = len(_MARK) + 32
# Not after the file that is saved: Lightning takes any file with "hpc_ckpt_" in its name for one to resume from.
_SCRATCH = ".rlframework-saving-"
# A scratch file of another machine is left alone for as long: locks may not reach that far.
_DAY = 24 * 60 * 60
# A pickle, which is what torch wrote before 1.6.
_OLD = b"\x80"
# What torch says of a file that it could read, and will not: it holds more than tensors and plain values.
_REFUSED = re.compile(r"Unsupported (global|class|operand)", re.IGNORECASE)


class DamagedCheckpointError(ValueError):
    """Raised for a checkpoint that is not what was saved; names the file, what is wrong, and what to resume from."""


class SafeCheckpointIO(TorchCheckpointIO):
    """CheckpointIO whose files are never half written, and refused when a bit of them has changed. The default here.

    A checkpoint is written beside its place, synced to the disk and renamed in one step: a process that is killed at
    any moment leaves the older file or the new one. What it left half written goes with the next save. A file ends in
    the digest of its bytes, in the place that zip archives have for a comment: ``torch.load`` reads it as ever, and a
    copy under another name is still checked. A file without digest, as Lightning alone writes it, is read, too.

    An algorithm puts it into its Trainer unless the user gave a plugin; ``AsyncCheckpointIO()`` without a base gets it
    as its base. Paths that are not local (``s3://...``) are left to Lightning, without digest.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "last.ckpt")
        >>> SafeCheckpointIO().save_checkpoint({"step": torch.tensor(3)}, path)
        >>> torch.load(path, weights_only=True)
        {'step': tensor(3)}
        >>> _ = path.write_bytes(path.read_bytes()[:-1])
        >>> SafeCheckpointIO().load_checkpoint(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        rlframework.loop.checkpoint_files.DamagedCheckpointError: ...last.ckpt is damaged: its end is cut off ...
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint, or leave the file that is there.

        Args:
            checkpoint: What to save.
            path: Where to.
            storage_options: As in Lightning's, not to be used.

        Raises:
            OSError: It cannot be written, as on a full disk.
        """
        place = _local(path)
        if place is None or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        _clear(place.parent)
        with _whole_file(place) as file:
            _write(checkpoint, file)

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint file and hold it against its digest.

        Args:
            path: Where it is.
            *args: As in Lightning's, such as ``map_location``.
            **kwargs: As in Lightning's.

        Raises:
            DamagedCheckpointError: It is not what was saved.
            FileNotFoundError: There is none.
        """
        with reading(path):
            return super().load_checkpoint(path, *args, **kwargs)


def use_safe_checkpoints(trainer: pl.Trainer) -> None:
    """Give a Trainer `SafeCheckpointIO`, unless its user gave a plugin or its strategy has one of its own (XLA)."""
    strategy: Strategy = trainer.strategy
    if type(strategy).checkpoint_io is not Strategy.checkpoint_io:
        return
    given: Any = trainer._accelerator_connector.checkpoint_io
    if given is None and not isinstance(strategy.checkpoint_io, SafeCheckpointIO):
        strategy.checkpoint_io = SafeCheckpointIO()
    while isinstance(given, _WrappingCheckpointIO):
        if given.checkpoint_io is None:
            given.checkpoint_io = SafeCheckpointIO()
        given = given.checkpoint_io


def check_checkpoint(path: str | Path) -> None:
    """Refuse a local file that is not what was saved; one without digest has to be empty or cut off for that.

    Args:
        path: The file. One that is missing or not local is left to whoever reads it.

    Raises:
        DamagedCheckpointError: It names the file, what is wrong, and the newest whole checkpoint beside it.
        IsADirectoryError: It is a folder of shards.
    """
    place = _local(path)
    if place is not None and place.is_dir():
        raise IsADirectoryError(
            f"{place} is a folder of shards, which only a strategy that shards reads: "
            "ModelParallelStrategy(save_distributed_checkpoint=True), on any number of ranks, one too. With "
            "save_distributed_checkpoint=False it saves one file, which every strategy reads"
        )
    if place is None or not place.is_file():
        return
    if fault := _fault(place):
        raise DamagedCheckpointError(f"{place} is {fault}. Nothing of it was loaded. {_way_out(place)}")


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Check a checkpoint, and name it in what torch says of a file that it cannot read.

    Args:
        path: The file that is read inside of the block.

    Raises:
        DamagedCheckpointError: It is not what was saved, or no checkpoint.
    """
    check_checkpoint(path)
    try:
        yield
    except Exception as error:  # Unpickling something else can raise anything.
        place = _local(path)
        if place is None or not place.is_file() or _has_digest(place) or _REFUSED.search(str(error)):
            raise
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DamagedCheckpointError(
            f"{place} is no checkpoint, or only a part of one, for its {place.stat().st_size} bytes cannot be read as "
            f"a checkpoint: {reason}. {_way_out(place)}"
        ) from error


def _local(path: str | Path) -> Path | None:
    if "://" in str(path) and not str(path).startswith("file://"):
        return None  # and nothing of what its file system needs is imported
    files, name = url_to_fs(str(path))
    return Path(name) if isinstance(files, LocalFileSystem) else None


class _Hashing:
    """A file that hashes what is written to it, and remembers why it could not be."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hash = xxhash.xxh3_128()
        self.error: OSError | None = None

    def write(self, part: Any) -> int:
        self.hash.update(part)
        try:
            return self.file.write(part)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Torch asks for it; what counts is the sync at the end."""


def _write(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    hashing = _Hashing(file)
    try:
        torch.save(checkpoint, hashing)  # type: ignore[arg-type]  # all that torch uses of a file is here
    except RuntimeError as error:
        raise hashing.error or error from None
    file.seek(-2, os.SEEK_CUR)
    file.write(_COMMENT_BYTES.to_bytes(2, "little") + _MARK + hashing.hash.hexdigest().encode())


@contextmanager
def _whole_file(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write, and put it in the place of ``target`` when all of it is on the disk."""
    file = _scratch(target.parent)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # While it is locked: an unlocked one would be taken for what a killed process left.
            os.replace(file.name, target)
    except OSError as error:
        kept = "; the file that was there before is as it was" if target.exists() else ""
        why = f"cannot save the checkpoint {target}: {error.strerror or error}{kept}"
        raise OSError(error.errno, why) from error
    finally:
        Path(file.name).unlink(missing_ok=True)
    sync_folder(target.parent)


def _scratch(folder: Path) -> IO[bytes]:
    """Return a new file that is locked as long as this process lives."""
    while True:
        file = (folder / f"{_SCRATCH}{socket.gethostname()}-{secrets.token_hex(8)}").open("xb", buffering=1 << 20)
        with suppress(OSError):  # of a file system without locks, on which nobody clears up either
            fcntl.flock(file, fcntl.LOCK_EX)
        # Another process may have taken it for a leftover before it was locked.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def _clear(folder: Path) -> None:
    """Remove what killed processes left: the lock of one that lives cannot be had."""
    for path in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError), path.open("r+b") as file:
            here = path.name.startswith(f"{_SCRATCH}{socket.gethostname()}-")
            if here or time.time() - path.stat().st_mtime > _DAY:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder, after a rename, are on the disk.

    Args:
        folder: The folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _end_of(path: Path) -> tuple[bytes, bytes] | None:
    """Return the two bytes of the comment's length and the comment, if the file has the end of a zip archive."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_BYTES - 2 - 0xFFFF))
        tail = file.read()
    start = tail.rfind(_END)
    if start < 0 and tail[-_COMMENT_BYTES:].startswith(_MARK):  # A flipped bit can have hit only one of the two.
        start = len(tail) - _COMMENT_BYTES - 2 - _END_BYTES
    if start < 0:
        return None
    end = tail[start + _END_BYTES :]
    return end[:2], end[2:]


def _has_digest(path: Path) -> bool:
    end = _end_of(path)
    return end is not None and bool(_COMMENT.fullmatch(end[1]))


def _fault(path: Path) -> str | None:
    """Say what is wrong with a file, as far as it tells."""
    size = path.stat().st_size
    if not size:
        return "damaged: it is empty (0 bytes)"
    with path.open("rb") as file:
        start = file.read(4)
    end = _end_of(path)
    if end is None:
        if start.startswith(_OLD):
            return None
        if start == b"PK\x03\x04":
            return f"damaged: its end is cut off (it has {size} bytes)"
        return f"no checkpoint: its {size} bytes are no file of torch"
    length, comment = int.from_bytes(end[0], "little"), end[1]
    if length == len(comment) != _COMMENT_BYTES:
        return None  # without digest
    if len(comment) < length:
        return (
            f"damaged: its end is cut off (it has {size} bytes, and lacks {length - len(comment)} of its last {length})"
        )
    digest = _COMMENT.fullmatch(comment)
    if digest is None or length != _COMMENT_BYTES:
        return f"damaged: the digest at the end of its {size} bytes cannot be read"
    found = digest_of(path, size - _COMMENT_BYTES - 2, b"\0\0")  # the comment's length as torch wrote it
    if found != digest[1].decode():
        return f"damaged: the digest of its {size} bytes is {found}, and was {digest[1].decode()} when it was saved"
    return None


def digest_of(path: Path, size: int | None = None, more: bytes = b"") -> str:
    """Return the hash of a file's bytes, 32 hexadecimal digits.

    Args:
        path: The file.
        size: How many of its bytes; by default all.
        more: Bytes that are hashed after them.
    """
    hashed, block = xxhash.xxh3_128(), memoryview(bytearray(1 << 22))
    left = path.stat().st_size if size is None else size
    with path.open("rb", buffering=0) as file:
        while left and (got := file.readinto(block[: min(left, len(block))])):
            hashed.update(block[:got])
            left -= got
    hashed.update(more)
    return hashed.hexdigest()


def _way_out(path: Path) -> str:
    """Name the newest whole checkpoint beside one that is damaged."""
    others = [other for other in path.parent.glob(f"*{path.suffix}") if other.is_file() and not other.samefile(path)]
    for other in sorted(others, key=lambda other: other.stat().st_mtime, reverse=True):
        if _has_digest(other) and _fault(other) is None:
            return f"Resume from {other}, the newest whole checkpoint beside it"
    return "No whole checkpoint lies beside it: give another .ckpt file, such as a copy of it"
