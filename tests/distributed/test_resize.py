"""A checkpoint of two ranks goes on, on one and on four, as on two; inside a rollout it is refused with the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed import two_ranks

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("resize_runs.py")
INSIDE, BETWEEN = 3, [4, 6]
Ends = dict[str, Any]


def launch(folder: Path, phase: str, ranks: int, *strategies: str) -> list[Ends]:
    return two_ranks.launch(folder / phase, SCRIPT, folder, phase, *strategies, ranks=ranks)


def check(whole: list[Ends], resumed: list[Ends], strategy: str) -> None:
    """Hold runs that went on against the one of two ranks that was never stopped."""
    counts = f"of 2 ranks and this run has {len(resumed)}"
    expected = whole[0][strategy]
    for rank in resumed:
        ends = rank[strategy]
        assert ends.keys() == {INSIDE, *BETWEEN}
        assert f"ValueError: the checkpoint lies inside a rollout {counts}" in ends[INSIDE]["error"]
        for start in BETWEEN:
            assert "error" not in ends[start], ends[start]["error"]
            assert ends[start]["steps"] == expected["steps"] == 8
            torch.testing.assert_close(ends[start]["weights"], expected["weights"], rtol=1e-6, atol=1e-6)
    # What cannot go on is said: the random numbers of two processes are not those of another number.
    for start in BETWEEN:
        said = resumed[0][strategy][start]["warned"]
        assert f"2 ranks are now {len(resumed)}: dropout draws other numbers" in said
    check_prompts(whole, resumed, strategy)


def check_prompts(whole: list[Ends], resumed: list[Ends], strategy: str) -> None:
    """No prompt is lost or repeated: each rollout has those of the run that was never stopped, and ranks share them."""
    for start in BETWEEN:
        parts = [rank[strategy][start]["prompts"] for rank in resumed]
        for rollout in range(start // 2, 4):
            there = [prompt for rank in whole for prompt in rank[strategy]["prompts"][rollout]]
            here = [prompt for part in parts for prompt in part[rollout]]
            assert sorted(here) == sorted(there)
            assert {len(part[rollout]) for part in parts} == {8 // len(resumed)}


def test_two_ranks_of_ddp_go_on_as_one(tmp_path: Path) -> None:
    whole = launch(tmp_path, "whole", 2, "DDP")
    check(whole, launch(tmp_path, "one", 1, "DDP"), "DDP")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resize")


STRATEGIES = ["DDP", "FSDP2, one file", "FSDP2, a folder"]


@pytest.fixture(scope="module")
def whole(folder: Path) -> list[Ends]:
    return launch(folder, "whole", 2, *STRATEGIES, "ahead")


@pytest.fixture(scope="module")
def resumed(folder: Path, whole: list[Ends]) -> dict[int, list[Ends]]:
    return {ranks: launch(folder, f"on {ranks}", ranks, *STRATEGIES, "ahead") for ranks in (1, 4)}


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [1, 4])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_ranks_go_on_as_one_and_as_four(
    whole: list[Ends], resumed: dict[int, list[Ends]], strategy: str, ranks: int
) -> None:
    check(whole, resumed[ranks], strategy)


@pytest.mark.slow
def test_rollouts_that_two_ranks_had_asked_for_are_asked_for_again(
    whole: list[Ends], resumed: dict[int, list[Ends]]
) -> None:
    """Of the same prompts, from the weights of the checkpoint: another run than before, and one on any number."""
    (one,), four = resumed[1], resumed[4]
    for start in BETWEEN:
        ends = one["ahead"][start]["weights"]
        assert (ends - whole[0]["ahead"]["weights"]).abs().max() > 1e-3
        for rank in four:
            torch.testing.assert_close(rank["ahead"][start]["weights"], ends, rtol=1e-6, atol=1e-6)
    for ranks in (1, 4):
        check_prompts(whole, resumed[ranks], "ahead")
        for rank in resumed[ranks]:
            assert "inside a rollout of 2 ranks" in rank["ahead"][INSIDE]["error"]
