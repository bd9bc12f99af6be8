"""How runs ahead end: gone at once with requests in flight, and on two ranks together and equal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from tests import forked
from tests.distributed import two_ranks

PROGRAM = Path(__file__).with_name("ahead_runs.py")


@pytest.mark.parametrize("what", ["error", "interrupt"])
def test_the_process_is_gone_with_requests_of_a_minute_in_flight(tmp_path: Path, what: str) -> None:
    [done] = forked.run_together([PROGRAM, tmp_path, what], [{}], seconds=100)
    gone = time.time()
    assert done.returncode != 0
    assert ("planted" if what == "error" else "KeyboardInterrupt") in done.stderr
    assert "terminate called" not in done.stderr
    assert gone - float((tmp_path / "acted").read_text()) < 5


def test_what_fails_on_one_rank_is_raised_on_both(tmp_path: Path) -> None:
    started = time.time()
    done = forked.run_together([PROGRAM, tmp_path, "broken"], two_ranks.environments(), seconds=100, end_others=False)
    assert time.time() - started < 60
    assert [process.returncode != 0 for process in done] == [True, True]
    raised = [(tmp_path / f"raised{rank}").read_text() for rank in range(2)]
    assert raised[1] == "OSError: the fleet of this rank is dead"
    assert "the fleet of this rank is dead" in raised[0]


def test_two_ranks_are_equal_and_one_to_rounding(tmp_path: Path) -> None:
    first, second = two_ranks.launch(tmp_path, PROGRAM, tmp_path, "equal")
    assert torch.equal(first["weights"], second["weights"])
    (tmp_path / "one").mkdir()
    [done] = forked.run_together([PROGRAM, tmp_path / "one", "equal"], [{}])
    assert done.returncode == 0, done.stderr[-3000:]
    one = torch.load(tmp_path / "one" / "rank0.pt")
    assert one["steps"] == first["steps"] == 9
    assert (one["weights"] - first["weights"]).abs().max() <= 1e-6
