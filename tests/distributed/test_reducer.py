"""The gradient of an optimizer step does not depend on how the step is cut: every algorithm and every option.

Every algorithm with every option is part of make test-long; make test has the pairs of `reducer_runs.DRAWN`, and of
these on two ranks those of `reducer_runs.ON_RANKS`.
There is no ragged last step: an epoch that ends inside one is refused (test_lightning.py), and prompts that do not fill
a rollout are left out (test_loader.py).
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rlframework.functional.advantages import batch_scaled
from tests.distributed import reducer_runs
from tests.distributed.reducer_runs import DRAWN, OPTIONS, PAIRS, REFUSED, SETS, Cut
from tests.distributed.two_ranks import launch
from tests.drawn import drawn

CUTS = [Cut(2), Cut(4, seed=1, left=2, right=3), Cut(8)]
# What its mean over the tokens of each minibatch leaves.
CUTS_OF_BNPO = [Cut(1, seed=1, left=2, right=3)]
# A bad completion that has become that much less likely is beyond their narrow clip: there is nothing left to gate.
NO_EFFECT = {("GSPO", "off-policy threshold"), ("LUSPO", "off-policy threshold")}

# Names of the pairs that make test has.
NAMES = ["-".join(pair) for pair in DRAWN]

gradient = functools.cache(reducer_runs.gradient)


def distance(first: Tensor, second: Tensor) -> float:
    return float((first - second).norm() / second.norm())


@pytest.mark.parametrize("pair", drawn(PAIRS, NAMES))
def test_the_gradient_does_not_depend_on_the_cut(pair: tuple[str, str]) -> None:
    whole = gradient(*pair)
    assert whole.norm() > 1e-3
    for cut in CUTS_OF_BNPO if pair[0] == "BNPO" else CUTS:
        assert distance(reducer_runs.gradient(*pair, cut), whole) < 1e-6, cut


@pytest.mark.parametrize("pair", drawn((pair for pair in PAIRS if pair[1] != "plain"), NAMES))
def test_an_option_changes_the_gradient(pair: tuple[str, str]) -> None:
    change = distance(gradient(*pair), gradient(pair[0], OPTIONS[pair[1]].against))
    assert change == 0.0 if pair in NO_EFFECT else change > 1e-3


@pytest.mark.parametrize("pair", REFUSED, ids="-".join)
def test_a_pair_without_a_meaning_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=REFUSED[pair]):
        reducer_runs.make(*pair)


@pytest.mark.parametrize("pair", drawn((pair for pair in PAIRS if pair[0] == "BNPO"), NAMES))
def test_bnpo_is_the_stated_exception(pair: tuple[str, str]) -> None:
    assert "depends on how a step is cut" in " ".join(reducer_runs.KINDS["BNPO"].__doc__.split())
    for cut in (Cut(2), Cut(8)):
        assert distance(gradient(*pair, cut), gradient(*pair)) > 1e-3


def test_bnpo_in_one_minibatch_is_the_token_mean() -> None:
    dapo = reducer_runs.make("DAPO", "two passes")
    dapo.clip_high = dapo.clip_low
    assert distance(gradient("BNPO", "two passes"), reducer_runs.learn(dapo)) < 1e-12


def on_two_ranks(folder: Path, pairs: str) -> list[dict[tuple[str, str], Tensor]]:
    """Return the gradients of a set of pairs on two processes, as either rank has them."""
    return launch(folder, reducer_runs.__file__, folder, pairs)


def assert_as_on_one(ranks: list[dict[tuple[str, str], Tensor]], pairs: str) -> None:
    assert ranks[0].keys() == ranks[1].keys() == set(SETS[pairs])
    for pair in SETS[pairs]:
        first, second = (rank[pair] for rank in ranks)
        # Two ranks are two minibatches to it.
        alone = gradient(*pair, Cut(2)) if pair[0] == "BNPO" else gradient(*pair)
        assert torch.equal(first, second), pair
        assert distance(first, alone) < 1e-6, pair


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[tuple[str, str], Tensor]]:
    return on_two_ranks(tmp_path_factory.mktemp("two"), "drawn")


@pytest.mark.distributed
def test_two_ranks_have_the_gradient_of_one(two) -> None:
    assert_as_on_one(two, "drawn")


@pytest.mark.slow
@pytest.mark.distributed
def test_two_ranks_have_the_gradient_of_one_in_every_other_pair(tmp_path: Path) -> None:
    assert_as_on_one(on_two_ranks(tmp_path, "rest"), "rest")


@pytest.mark.distributed
def test_a_spread_over_the_rollout_is_one_over_all_ranks(two) -> None:
    algorithm = reducer_runs.make("LitePPO", "plain")
    halves = np.array_split(np.arange(len(reducer_runs.PROMPTS)), 2)
    algorithm.advantages = lambda rewards: torch.cat([batch_scaled(rewards[half]) for half in halves])
    apart = reducer_runs.learn(algorithm)
    assert distance(apart, two[0]["LitePPO", "plain"]) > 1e-3
