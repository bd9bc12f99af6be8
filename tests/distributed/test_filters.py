"""Two ranks with unequal work learn what one process does: filters, episodes, minibatches without tokens."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed import two_ranks

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("filter_runs.py")
PLAIN = ["filter", "ahead", "episodes", "empty 1", "empty 2", "unequal"]
SHARDED = ["sharded filter", "sharded empty 1", "sharded empty 2"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("plain")
    return two_ranks.launch(folder, SCRIPT, folder, *PLAIN)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sharded")
    return two_ranks.launch(folder, SCRIPT, folder, *SHARDED)


def assert_as_one(ranks: list[dict[str, Any]], kind: str, folder: Path) -> None:
    program = runpy.run_path(str(SCRIPT))
    expected = program["run"](kind, folder, ranks=1)["weights"]
    first, second = (rank[kind]["weights"] for rank in ranks)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, expected, rtol=1e-6, atol=1e-6)
    start = torch.nn.utils.parameters_to_vector(program["tiny_policy"]().parameters())
    assert (expected - start).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["filter", "ahead", "episodes"])
def test_filters_may_drop_other_numbers_on_each_rank(tmp_path: Path, plain: list[dict[str, Any]], kind: str) -> None:
    first, second = (rank[kind]["asked"] for rank in plain)
    # Each rank keeps two groups of six, and comes upon them sooner or later.
    assert first.keys() == second.keys() == set(range(4))
    assert first != second
    assert_as_one(plain, kind, tmp_path)


@pytest.mark.parametrize("kind", ["empty 1", "empty 2"])
def test_a_rank_may_have_no_tokens_in_its_first_minibatch(
    tmp_path: Path, plain: list[dict[str, Any]], kind: str
) -> None:
    """A minibatch that is an optimizer step of its own, or half of one."""
    assert_as_one(plain, kind, tmp_path)


def test_a_filter_that_leaves_one_rank_fewer_groups_is_refused_on_both(plain: list[dict[str, Any]]) -> None:
    first, second = (rank["unequal"] for rank in plain)
    assert second.startswith("ValueError: Careless returned 3 groups for 4 prompts, and states 4 (groups_from)")
    assert first.startswith("RuntimeError: rank 1 failed: ValueError: Careless returned 3 groups")


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHARDED)
def test_ranks_of_a_sharded_policy_may_have_unequal_work(
    tmp_path: Path, sharded: list[dict[str, Any]], kind: str
) -> None:
    # They sample together as long as one of them lacks groups.
    first, second = (rank[kind]["asked"] for rank in sharded)
    assert first == second
    assert max(first.values(), default=6) > 2
    assert_as_one(sharded, kind, tmp_path)
