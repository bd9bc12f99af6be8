"""A checkpoint in shards is the one that was saved, or refused; a killed save leaves the older one."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from rlframework.loop.checkpoint_folders import _clear, _locked
from tests.distributed.two_ranks import launch

PROGRAM = Path(__file__).with_name("folder_saves.py")


@pytest.mark.slow
@pytest.mark.distributed
def test_two_ranks_save_whole_folders_and_refuse_damaged_ones(tmp_path: Path) -> None:
    found = launch(tmp_path, PROGRAM, tmp_path)
    for rank in found:
        assert rank["files"] == ["last.ckpt", "step=1.ckpt", "step=2.ckpt", "step=3.ckpt"]
        assert rank["shards"] == [".metadata", "__0_0.distcp", "__1_0.distcp", "digests.json", "meta.pt"]
        assert rank["resumed"]
        assert rank["settled"]
    for name in ("__0_0.distcp", "__1_0.distcp", "meta.pt"):
        said = sorted(rank[name] for rank in found)
        assert said[0].startswith("DamagedCheckpointError"), said
        assert all(f"step=2.ckpt is damaged: the digest of {name} is" in message for message in said)


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead, living, new = (tmp_path / f".rlframework-shards-{name}" for name in ("dead", "living", "new"))
    for folder in (dead, living):
        folder.mkdir()
        (folder / ".saving").touch()
        (folder / "__0_0.distcp").write_text("half")
    new.mkdir()  # between the two calls that make it and its lock
    with (living / ".saving").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [living.name, new.name]
    _locked(tmp_path / ".rlframework-shards-mine")
    _clear(tmp_path)
    assert (tmp_path / ".rlframework-shards-mine").exists()
