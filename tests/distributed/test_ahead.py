"""Two ranks whose rollouts are sampled ahead learn what one does, go on from a checkpoint, and fail together."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed import two_ranks

pytestmark = [pytest.mark.distributed, pytest.mark.slow]

PROGRAM = Path(__file__).with_name("ahead_runs.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    return two_ranks.launch(folder, PROGRAM, folder, seconds=120)


def test_two_ranks_ahead_reach_the_weights_of_one(two: list[dict[str, Any]], tmp_path: Path) -> None:
    program = runpy.run_path(str(PROGRAM))
    alone = program["weights"](program["fit"](tmp_path, 1))
    assert torch.equal(two[0]["whole"], two[1]["whole"])
    torch.testing.assert_close(two[0]["whole"], alone, rtol=1e-6, atol=1e-6)
    start = torch.nn.utils.parameters_to_vector(program["tiny_policy"]().parameters())
    assert (alone - start).abs().max() > 1e-2


@pytest.mark.parametrize("step", [2, 4])
def test_two_ranks_resume_to_the_bit_with_what_was_asked_for(
    two: list[dict[str, Any]], folder: Path, step: int
) -> None:
    asked = torch.load(folder / "saved" / f"step={step}.ckpt", weights_only=True)["asked"]
    assert [[rollout["step"] for rollout in of_rank] for of_rank in asked] == [[step - 1, step]] * 2
    for rank in two:
        assert torch.equal(rank["resumed"][step], rank["whole"])


def test_one_rank_goes_on_from_two_and_says_what_is_asked_for_again(
    two: list[dict[str, Any]], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = runpy.run_path(str(PROGRAM))
    with caplog.at_level("INFO"):
        program["fit"](folder, 1, 4)
    assert "rollouts that 2 ranks had asked for, and this run has 1: they are asked for again" in caplog.text


def test_what_fails_in_the_thread_of_one_rank_is_raised_on_both(two: list[dict[str, Any]]) -> None:
    first, second = (rank["failing"] for rank in two)
    assert second["error"] == "KeyError: 'planted'"
    assert first["error"].startswith("RuntimeError")
    assert "KeyError: 'planted'" in first["error"]
    assert max(first["seconds"], second["seconds"]) < 20
