"""Runs that are killed by signal 9 up to three times, and end with the bits of one that never was."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
import pytorch_lightning as pl
import torch

from tests import forked
from tests.distributed.two_ranks import environments
from tests.drawn import drawn

PROGRAM = Path(__file__).with_name("killed_runs.py")
SETTINGS = ["accumulation", "passes", "lora", "kl", "filter", "dropout", "ranks", "sft", "gym", "ema", "episodes"]
if not hasattr(pl.callbacks, "EMAWeightAveraging"):
    SETTINGS.remove("ema")  # It came with Lightning 2.6.
SETTINGS += ["ahead", "ahead drained", "ahead ranks"]
SLURM = {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "run", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


def run(folder: Path, setting: str, kill: str = "none", at: int = -1) -> bool:
    """Run a setting until it is killed or ends; return whether it ended."""
    given = environments() if setting.endswith("ranks") else [SLURM if kill == "signal" else {}]
    done = forked.run_together([PROGRAM, folder, setting, kill, at], given)
    killed = [process.returncode == -9 for process in done]
    assert any(killed) or not any(process.returncode for process in done), [p.stderr[-3000:] for p in done]
    return not any(killed)


def ended(folder: Path) -> dict:
    return torch.load(folder / "end.pt", weights_only=True)


def equal(one: dict, other: dict) -> bool:
    same = one["weights"].keys() == other["weights"].keys() and one["steps"] == other["steps"]
    return same and all(torch.equal(one["weights"][name], other["weights"][name]) for name in one["weights"])


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory):
    """Return what a setting ends with that is never killed."""
    known: dict[str, dict] = {}

    def end(setting: str) -> dict:
        if setting not in known:
            folder = tmp_path_factory.mktemp(setting)
            assert run(folder, setting)
            known[setting] = ended(folder)
        return known[setting]

    return end


def kill_and_go_on(folder: Path, setting: str, random: Random) -> list[str]:
    """Kill a run up to three times and let it end; return how it was killed."""
    kills = []
    for _ in range(random.randint(1, 3)):
        kill, at = random.choice(["die", "save", "save", "inside"]), random.randint(3, 60)
        kills.append(f"{kill} at {at}")
        if run(folder, setting, kill, at):
            return kills
    assert run(folder, setting)
    return kills


@pytest.mark.parametrize("setting", drawn(SETTINGS, {"lora", "ranks", "episodes", "ahead"}))
def test_a_killed_run_ends_as_if_it_never_was(whole, tmp_path: Path, setting: str) -> None:
    kills = kill_and_go_on(tmp_path, setting, Random(setting))
    assert equal(ended(tmp_path), whole(setting)), kills


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("setting", SETTINGS)
def test_however_a_run_is_killed(whole, tmp_path: Path, setting: str, number: int) -> None:
    kills = kill_and_go_on(tmp_path, setting, Random(f"{setting} {number}"))
    assert equal(ended(tmp_path), whole(setting)), kills


@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.slow) if n else n for n in range(24)])
def test_slurms_signal_at_a_random_moment(whole, tmp_path: Path, number: int) -> None:
    """Lightning saves in the handler, and resumes by itself; several ranks have callbacks/test_requeue_on_signal.py."""
    random = Random(number)
    setting = random.choice([name for name in SETTINGS if not name.endswith("ranks")])
    finished = run(tmp_path, setting, "signal", random.randint(0, 50))
    assert finished or list(tmp_path.glob("hpc_ckpt_*.ckpt"))
    if not finished:
        for path in tmp_path.glob("*.ckpt"):
            if not path.name.startswith("hpc"):
                os.remove(path)
        assert run(tmp_path, setting)
    assert equal(ended(tmp_path), whole(setting)), setting
