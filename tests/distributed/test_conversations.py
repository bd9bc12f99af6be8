"""Ranks that share sharded weights sample episodes together, whoever of them has a row left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distributed import two_ranks

pytestmark = pytest.mark.distributed


def test_ranks_with_other_numbers_of_turns_do_not_wait_for_each_other(tmp_path: Path) -> None:
    ranks = two_ranks.launch(tmp_path, Path(__file__).with_name("conversation_runs.py"), tmp_path, seconds=120)
    for rank in ranks:
        for sharded, whole in zip(rank["sharded"], rank["whole"], strict=True):
            assert [ids for ids, _ in sharded] == [ids for ids, _ in whole]
            for (_, found), (_, expected) in zip(sharded, whole, strict=True):
                assert found == pytest.approx(expected, abs=1e-5)
    lengths = [[max(len(ids) for ids, _ in rollout) for rollout in rank["whole"]] for rank in ranks]
    assert lengths[0][0] > lengths[0][1]
    assert lengths[1][0] < lengths[1][1]
