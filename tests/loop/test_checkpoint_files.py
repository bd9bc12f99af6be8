"""A checkpoint on disk is the one that was saved, or refused: flipped bits, cut files, killed saves, full disks."""

from __future__ import annotations

import fcntl
import inspect
import json
import os
import resource
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

from rlframework.algorithms import GRPO
from rlframework.cli.commands import main
from rlframework.export import export
from rlframework.loop.checkpoint_files import DamagedCheckpointError, SafeCheckpointIO, check_checkpoint, reading
from tests import forked

Make = Callable[..., GRPO]
Fit = Callable[..., pl.Trainer]
REFUSED = r"step=2\.ckpt is (damaged|no checkpoint): .*Resume from .*step=1\.ckpt"
KILLED_SAVES = Path(__file__).with_name("killed_saves.py")


@pytest.fixture
def run(grpo: Make, fit: Fit, tmp_path: Path) -> Path:
    """Return the folder of a run with the checkpoints of steps 1 and 2, inside a rollout."""
    saver = ModelCheckpoint(tmp_path / "run", "{step}", every_n_train_steps=1, save_top_k=-1)
    fit(grpo(minibatches_per_rollout=4), callbacks=[saver], enable_checkpointing=True, max_steps=2)
    return tmp_path / "run"


def flipped(whole: bytes, bit: int) -> bytes:
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def sixty_bits(whole: bytes) -> Iterator[int]:
    """Yield bits of all parts of a file: a third anywhere, a third in its first bytes, a third in its last."""
    random, size = Random(0), 8 * len(whole)
    for start, end in ((0, size), (0, 8 * 2000), (size - 8 * 2000, size)):
        part = (end - start) // 20
        yield from (start + n * part + random.randrange(part) for n in range(20))


def seven_cuts(whole: bytes) -> list[int]:
    size = len(whole)
    return [0, 1, 100, size // 2, size - 200, size - 70, size - 1]


def damages(whole: bytes) -> Iterator[bytes]:
    yield from (flipped(whole, bit) for bit in sixty_bits(whole))
    yield from (whole[:size] for size in seven_cuts(whole))


def test_a_file_is_read_as_any_other_of_torch(tmp_path: Path) -> None:
    saved = {"a": torch.arange(5000.0), "b": {"c": [1, "two", None]}}
    path = tmp_path / "new" / "x.ckpt"
    SafeCheckpointIO().save_checkpoint(saved, path)
    os.rename(path, tmp_path / "renamed.ckpt")
    for options in ({"weights_only": True}, {"weights_only": True, "mmap": True}, {"weights_only": False}):
        read = torch.load(tmp_path / "renamed.ckpt", **options)
        assert torch.equal(read.pop("a"), saved["a"])
        assert read == {"b": saved["b"]}
    with zipfile.ZipFile(tmp_path / "renamed.ckpt") as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"rlframework checkpoint; xxh3_128")
    assert SafeCheckpointIO().load_checkpoint(tmp_path / "renamed.ckpt")["b"] == saved["b"]
    (tmp_path / "renamed.ckpt").write_bytes(flipped((tmp_path / "renamed.ckpt").read_bytes(), 8 * 9000))
    with pytest.raises(DamagedCheckpointError, match=r"renamed\.ckpt is damaged"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "renamed.ckpt")
    assert os.stat(tmp_path / "renamed.ckpt").st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    os.umask(mask := os.umask(0))
    return mask


def test_bits_and_bytes_all_over_a_small_file_count(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    SafeCheckpointIO().save_checkpoint({"a": torch.arange(3)}, path)
    whole = path.read_bytes()
    assert len(whole) < 2000
    # Every third bit of the end record and the digest, and every 29th of the rest.
    end = 8 * (len(whole) - 110)
    for damaged in [flipped(whole, bit) for bit in (*range(0, end, 29), *range(end, 8 * len(whole), 3))]:
        path.write_bytes(damaged)
        with pytest.raises(DamagedCheckpointError, match=r"x\.ckpt is damaged"):
            check_checkpoint(path)
    for size in (*range(0, end // 8, 11), *range(end // 8, len(whole))):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedCheckpointError, match=r"x\.ckpt is (damaged|no checkpoint)"), reading(path):
            torch.load(path)
    path.write_bytes(whole)
    check_checkpoint(path)


def test_sixty_flipped_bits_and_seven_cuts_of_a_run_are_refused_by_name(run: Path) -> None:
    path = run / "step=2.ckpt"
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        with pytest.raises(DamagedCheckpointError, match=REFUSED):
            SafeCheckpointIO().load_checkpoint(path)
    path.write_bytes(whole)
    assert SafeCheckpointIO().load_checkpoint(path)["global_step"] == 2


@pytest.mark.slow
def test_sixty_flipped_bits_and_seven_cuts_never_train(
    run: Path, grpo: Make, fit: Fit, recorder: Any, tmp_path: Path
) -> None:
    path, module = run / "step=2.ckpt", grpo(minibatches_per_rollout=4)
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(DamagedCheckpointError, match=REFUSED):
            fit(module, ckpt_path=str(path), callbacks=[recorder])
        with pytest.raises(DamagedCheckpointError, match=r"step=2\.ckpt is (damaged|no checkpoint)"):
            GRPO.load_from_checkpoint(path, policy=module.policy, reward=module.reward, sampler=module.sampler)
        with pytest.raises(DamagedCheckpointError, match=r"step=2\.ckpt is (damaged|no checkpoint)"):
            export(path, tmp_path / "out")
    assert recorder.events == []


@pytest.mark.parametrize("damage", [lambda whole: flipped(whole, 4 * len(whole)), lambda whole: whole[:-1]])
def test_whoever_reads_a_damaged_file_says_so(
    damage: Callable[[bytes], bytes], run: Path, grpo: Make, fit: Fit, recorder: Any, tmp_path: Path, capsys: Any
) -> None:
    path, module = run / "step=2.ckpt", grpo(minibatches_per_rollout=4)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedCheckpointError, match=r"step=2\.ckpt is damaged: .*Resume from .*step=1\.ckpt"):
        fit(module, ckpt_path=str(path), callbacks=[recorder])
    assert recorder.events == []
    with pytest.raises(DamagedCheckpointError, match=r"step=2\.ckpt is damaged"):
        GRPO.load_from_checkpoint(path, policy=module.policy, reward=module.reward, sampler=module.sampler)
    with pytest.raises(DamagedCheckpointError, match=r"step=2\.ckpt is damaged"):
        pl.Trainer(accelerator="cpu", logger=False).predict(module, [[]], ckpt_path=str(path))
    with pytest.raises(SystemExit):
        main(["export", str(path), str(tmp_path / "out")])
    assert "step=2.ckpt is damaged" in capsys.readouterr().err


def test_without_another_checkpoint_it_says_so(run: Path) -> None:
    path = run / "step=2.ckpt"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    (run / "step=1.ckpt").write_bytes(whole[:-1])  # Damaged, too, and so not recommended.
    with pytest.raises(DamagedCheckpointError, match="No whole checkpoint lies beside it"):
        check_checkpoint(path)


def test_files_of_lightning_alone_are_read_and_their_cuts_named(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "step=2.ckpt", weights_only=True)
    TorchCheckpointIO().save_checkpoint(checkpoint, run / "zip.ckpt")
    torch.save(checkpoint, run / "old.ckpt", _use_new_zipfile_serialization=False)
    for name in ("zip.ckpt", "old.ckpt"):
        path = run / name
        assert SafeCheckpointIO().load_checkpoint(path)["global_step"] == 2
        whole = path.read_bytes()
        for size in (*seven_cuts(whole), len(whole) - 23):
            path.write_bytes(whole[:size])
            with pytest.raises(DamagedCheckpointError, match=rf"{name} is (damaged|no checkpoint).*Resume from"):
                SafeCheckpointIO().load_checkpoint(path)
        path.write_bytes(whole)


@pytest.mark.skipif(
    "weights_only" not in inspect.signature(TorchCheckpointIO.load_checkpoint).parameters,
    reason="load_checkpoint has weights_only from Lightning 2.6 on",
)
def test_what_is_refused_for_another_reason_is_not_called_damaged(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "code.ckpt")
    with pytest.raises(Exception, match="Unsupported global") as refused:
        SafeCheckpointIO().load_checkpoint(tmp_path / "code.ckpt", weights_only=True)
    assert not isinstance(refused.value, DamagedCheckpointError)
    with pytest.raises(FileNotFoundError):
        SafeCheckpointIO().load_checkpoint(tmp_path / "none.ckpt")


def killed(folder: Path, kills: int, megabytes: float, *kind: str) -> list[dict[str, Any]]:
    folder.mkdir()
    # Lightning's own plugin writes to TMPDIR and copies from there, if that is another file system.
    with TemporaryDirectory(dir="/dev/shm") as elsewhere:
        done = forked.run(KILLED_SAVES, folder, kills, megabytes, *kind, TMPDIR=elsewhere)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_kills(found: list[dict[str, Any]]) -> None:
    for kill in found:
        assert isinstance(kill["holds"], int), kill
        assert kill["holds"] >= kill["at_least"]
        assert kill["left"] <= 1  # that of this kill; the next save clears it up


def test_a_kill_while_a_checkpoint_is_overwritten_leaves_the_older_or_the_new(tmp_path: Path) -> None:
    found = killed(tmp_path / "run", 4, 10)
    check_kills(found)
    assert len(found) == 4


@pytest.mark.slow
def test_sixty_kills_while_a_checkpoint_is_overwritten(tmp_path: Path) -> None:
    found = killed(tmp_path / "run", 60, 50)
    check_kills(found)
    assert len(found) == 60
    assert sum(kill["left"] for kill in found) > 20  # so many were killed inside a save
    lost = [kill for kill in killed(tmp_path / "lightning", 10, 50, "Lightning") if isinstance(kill["holds"], str)]
    assert lost, "the kills are too harmless to lose anything with Lightning's own plugin either"


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    here = os.uname().nodename
    mine, living = tmp_path / f".rlframework-saving-{here}-1", tmp_path / f".rlframework-saving-{here}-2"
    far, long_ago = tmp_path / ".rlframework-saving-elsewhere-3", tmp_path / ".rlframework-saving-elsewhere-4"
    others = tmp_path / ".rlframework-notes"
    for path in (mine, living, far, long_ago, others):
        path.write_text("half")
    os.utime(long_ago, (time.time() - 100_000,) * 2)
    with living.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as another process holds it; locks belong to the open file
        SafeCheckpointIO().save_checkpoint({}, tmp_path / "x.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {living.name, far.name, others.name, "x.ckpt"}


@pytest.mark.parametrize("room", [1000, 100_000])
def test_a_disk_that_is_full_leaves_the_older_file(room: int, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({"number": 1}, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match=r"cannot save the checkpoint .*last\.ckpt: File too large; .*as it was"):
            SafeCheckpointIO().save_checkpoint({"number": torch.zeros(250_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    assert SafeCheckpointIO().load_checkpoint(path) == {"number": 1}


def plugin_of(fit: Fit, grpo: Make, **options: Any) -> Any:
    return fit(grpo(), fast_dev_run=True, **options).strategy.checkpoint_io


def test_it_is_the_default_and_a_plugin_of_ones_own_stays(fit: Fit, grpo: Make) -> None:
    assert isinstance(plugin_of(fit, grpo), SafeCheckpointIO)
    own = TorchCheckpointIO()
    assert plugin_of(fit, grpo, plugins=[own]) is own
    wrapper = AsyncCheckpointIO(own)
    assert plugin_of(fit, grpo, plugins=[wrapper]) is wrapper
    assert wrapper.checkpoint_io is own


def test_saving_in_a_thread_is_safe_too(fit: Fit, grpo: Make, tmp_path: Path) -> None:
    wrapper = AsyncCheckpointIO()
    saver = ModelCheckpoint(tmp_path / "run", "{step}", every_n_train_steps=1, save_top_k=-1, save_last=True)
    fit(grpo(), callbacks=[saver], enable_checkpointing=True, plugins=[wrapper])
    assert isinstance(wrapper.checkpoint_io, SafeCheckpointIO)
    files = sorted((tmp_path / "run").iterdir())
    assert [file.name for file in files] == ["last.ckpt", *(f"step={step}.ckpt" for step in range(1, 5))]
    for file in files:
        with zipfile.ZipFile(file) as archive:
            assert archive.comment
        check_checkpoint(file)


def test_the_command_line_names_a_damaged_checkpoint(run: Path, tmp_path: Path, capsys: Any) -> None:
    path = run / "step=2.ckpt"
    path.write_bytes(path.read_bytes()[:-1])
    shutil.copy("recipes/chain_sums.yaml", tmp_path / "run.yaml")
    with pytest.raises(SystemExit):
        main(["validate", "--config", str(tmp_path / "run.yaml"), "--ckpt_path", str(path)])
    assert "step=2.ckpt is damaged: its end is cut off" in capsys.readouterr().err


def test_a_folder_of_shards_is_no_file_and_says_who_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").mkdir()
    with pytest.raises(IsADirectoryError, match=r"x\.ckpt is a folder of shards.*saves one file"):
        SafeCheckpointIO().load_checkpoint(tmp_path / "x.ckpt")
