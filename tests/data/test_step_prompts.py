"""Prompts from a simulator's first observations, and an episode that has to begin with the same."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl

from rlframework.data import StepPrompts
from rlframework.environments import PlainGlue, StepEnvironment
from rlframework.rewards import EpisodeReturn
from rlframework.samplers import BatchedSampler, EpisodeSampler
from rlframework.testing import letter_tokenizer, tiny_policy


class Letters:
    """Shows three letters that its seed chose, and pays for each of them."""

    def reset(self, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        self.shown = "".join(np.random.default_rng(seed).choice(list("abcdef"), 3))
        return self.shown, {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        return "x", float(action[:1] in self.shown), True, False, {}


def test_a_row_has_its_seed_and_what_the_first_state_says():
    environment = StepEnvironment(Letters, seed="start")
    data = StepPrompts(environment, range(5, 8), validation_seeds=[1], wording="say {observation}!")
    [first, *_] = rows = list(data.rows("train"))
    said = environment.first({"start": 5})
    assert first == {"prompt": f"say {said}!", "start": 5, "first_observation": said}
    assert [row["start"] for row in rows] == [5, 6, 7]
    assert data.rows("train")[1:] == rows[1:]
    assert [row["start"] for row in data.rows("validation")] == [1]
    assert [prompt.text for prompt in data.tokenize("train", letter_tokenizer())] == [row["prompt"] for row in rows]
    assert "validation" not in StepPrompts(environment, range(3)).sources


def test_an_episode_begins_with_what_its_prompt_says_or_fails():
    environment = StepEnvironment(Letters)
    row = StepPrompts(environment, [4]).rows("train")[0]
    luck = np.random.default_rng(0)
    assert environment.start(row, luck).first_observation == row["prompt"]
    with pytest.raises(ValueError, match="the prompt was made from"):
        environment.start({**row, "seed": 5}, luck)


def test_a_run_trains_on_them(grpo, tmp_path):
    policy, environment = tiny_policy(), StepEnvironment(Letters)
    sampler = EpisodeSampler(
        BatchedSampler(group_size=4, max_tokens=12), environment, glue=PlainGlue(policy.tokenizer), max_turns=2
    )
    algorithm = grpo(policy, reward=EpisodeReturn(), sampler=sampler, validation={"return": EpisodeReturn()})
    options = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = pl.Trainer(accelerator="cpu", max_epochs=1, logger=False, default_root_dir=tmp_path, **options)
    trainer.fit(algorithm, StepPrompts(environment, range(8), validation_seeds=range(8, 10)))
    assert trainer.callback_metrics["train/episode/ended_by/failed"] == 0
    assert "val/return" in trainer.callback_metrics


def test_a_simulator_that_seeds_the_world_is_fenced():
    class World(Letters):
        def reset(self, seed: int | None = None) -> Any:
            random.seed(seed)
            return super().reset(seed)

    random.seed("a state that none of the seeds gives")
    before = random.getstate()
    with pytest.warns(UserWarning, match="used the global random numbers of Python"):
        StepPrompts(StepEnvironment(World), range(3)).rows("train")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StepPrompts(StepEnvironment(World, uses_global_random=True), range(3)).rows("train")[0]
    assert random.getstate() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"environment": StepEnvironment(Letters, seed=0)}, "resets every row with seed=0"),
        ({"validation_seeds": range(2, 4)}, "1 of 5 seeds occur twice"),
        ({"wording": "say it"}, "put {observation} into it"),
        ({"seeds": []}, "the train data set is empty"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        StepPrompts(**{"environment": StepEnvironment(Letters), "seeds": range(3), **arguments})
