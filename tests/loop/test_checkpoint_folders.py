"""A checkpoint in shards is the one that was saved, or refused; a killed save leaves the older one."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlframework.export.write import export
from rlframework.loop.checkpoint_folders import _clear, _locked
from rlframework.testing import tiny_policy
from tests.distributed.two_ranks import launch

PROGRAM = Path(__file__).with_name("folder_saves.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of two ranks, which has saved in shards."""
    folder = tmp_path_factory.mktemp("folders")
    tiny_policy().save_pretrained(folder / "base")
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[Any, Any]]:
    """Return what each of its ranks met with."""
    return launch(folder, PROGRAM, folder)


@pytest.mark.slow
@pytest.mark.distributed
def test_two_ranks_save_whole_folders_and_refuse_damaged_ones(found: list[dict[Any, Any]]) -> None:
    for rank in found:
        assert rank["files"] == ["last.ckpt", "step=1.ckpt", "step=2.ckpt", "step=3.ckpt"]
        assert rank["shards"] == [".metadata", "__0_0.distcp", "__1_0.distcp", "digests.json", "meta.pt"]
        assert rank["resumed"]
        assert rank["settled"]
    for name in ("__0_0.distcp", "__1_0.distcp", "meta.pt"):
        said = sorted(rank[name] for rank in found)
        assert said[0].startswith("DamagedCheckpointError"), said
        assert all(f"step=2.ckpt is damaged: the digest of {name} is" in message for message in said)


@pytest.mark.slow
@pytest.mark.distributed
def test_shards_are_exported_by_the_command_that_export_names(
    found: list[dict[Any, Any]], folder: Path, tmp_path: Path
) -> None:
    shards = folder / "run/last.ckpt"
    with pytest.raises(ValueError, match="a checkpoint in shards") as refused:
        export(shards, tmp_path)
    (command,) = re.findall(r"python (-m \S+ \S+),", str(refused.value))
    subprocess.run([sys.executable, *command.split()], check=True, capture_output=True)
    [written] = export(folder / "run/last.ckpt.consolidated", tmp_path, say=lambda _: None)
    exported = AutoModelForCausalLM.from_pretrained(written.path)
    weights = torch.cat([weight.detach().flatten() for weight in exported.parameters()])
    assert all(torch.equal(weights, rank["weights"]) for rank in found)
    start = torch.cat([weight.detach().flatten() for weight in tiny_policy().model.parameters()])
    assert (weights - start).abs().max() > 1e-3


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
