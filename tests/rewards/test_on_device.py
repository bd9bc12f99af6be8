"""Modules are found wherever a reward keeps them, and count where their weights are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from rlframework.rewards import FunctionReward, RewardModel, RowReward, Where, optional
from rlframework.rewards.on_device import computes_on


class Holds(RowReward):
    def __init__(self, held: Any, name: str = "holds") -> None:
        super().__init__(name)
        self.held = held

    def score_row(self, completion: Any) -> float:
        return 0.0


class Scorer(nn.Linear):
    def of(self, completion: str) -> float:
        return float(self(torch.ones(2)))


class Itself(Holds, nn.Module):
    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.name, self.held = "itself", Scorer(2, 1)


SCORER = Scorer(2, 1)
PLACES = {
    "an attribute": Holds(SCORER),
    "the reward itself": Itself(),
    "a list": Holds([1, SCORER]),
    "a mapping": Holds({"x": {"y": SCORER}}),
    "a pipeline": Holds(SimpleNamespace(model=SCORER)),
    "whose method it is": FunctionReward(SCORER.of),
    "the owner of a pipeline": FunctionReward(SimpleNamespace(model=SCORER, name="x").__eq__, name="x"),
    "a sum": Holds(1) + 0.5 * Holds(SCORER, "other"),
    "an optional term": Holds(1) + optional(Holds(SCORER, "other")),
    "a product": Holds(1) * Holds(SCORER, "other"),
    "for some rows": Where(Holds(SCORER), "kind", "sum"),
}


@pytest.mark.parametrize("reward", PLACES.values(), ids=PLACES)
def test_a_module_is_found(reward: RewardModel) -> None:
    assert computes_on(reward, torch.device("cpu"))
    assert not computes_on(reward, torch.device("meta"))


def test_rewards_without_modules_have_none() -> None:
    knotted = Holds(1)
    knotted.held = [knotted]
    for reward in (knotted, FunctionReward(len), Holds(torch.ones(2)), Holds("text") + Holds(None, "other")):
        assert not computes_on(reward, torch.device("cpu"))
