"""The reward goes up while the held-out measure falls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rlframework.callbacks.sentinels import HackingAlarm
from rlframework.rewards import RowReward
from tests.callbacks.sentinels.provoked import EarlyLetter, FromMiddle, said
from tests.drawn import drawn


@pytest.mark.parametrize(
    ("reward", "trial"),
    drawn(
        {f"{kind.__name__}-{trial}": (kind(), trial) for kind in (FromMiddle, EarlyLetter) for trial in (0, 2)},
        {"FromMiddle-2", "EarlyLetter-0"},
    ),
)
def test_it_sees_a_reward_that_takes_away_what_is_measured(
    reward: RowReward, trial: int, grpo: Callable, fit: Callable
) -> None:
    """A first letter from the one half of the alphabet is paid, and one from the first half is measured."""
    sentinel, sizes = HackingAlarm(), {"prompts_per_rollout": 8, "learning_rate": 1e-2}
    algorithm = grpo(reward=reward, validation={"accuracy": EarlyLetter()}, **sizes)
    algorithm.validation_sampler = algorithm.sampler.replace(group_size=1)
    options = {"callbacks": [sentinel], "val_check_interval": 2, "num_sanity_val_steps": trial}
    lines = said(sentinel, lambda: fit(algorithm, prompts=160, held_out=256, **options))
    assert len(lines) == isinstance(reward, FromMiddle)
    assert all("val/accuracy has fallen from" in line for line in lines)
    assert all("on 256 held-out prompts" in line for line in lines)


def test_a_run_without_the_measure_is_told(grpo: Callable, fit: Callable, caplog) -> None:
    with caplog.at_level("INFO", logger="pytorch_lightning.utilities.rank_zero"):
        fit(grpo(), callbacks=[HackingAlarm("val/right")], max_steps=1)
    assert "there is no val/right" in caplog.text
