"""The return of an episode, and what a plain answer is told."""

import pytest

from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.rewards import BatchFunctionReward, EpisodeReturn, FunctionReward
from rlframework.turns import Call, Turn

PROMPT = Prompt([1], "?", {"answer": "7"}, index=5)
TURNS = [
    Turn(0, 1, "policy", "4", [Call("look", {})], reward=0.5),
    Turn(1, 2, "environment", "no"),
    Turn(2, 3, "policy", "7", reward=1.0),
]
EPISODE = Completion(PROMPT, [4, 5, 7], "7", "environment", turns=TURNS, episode="state")
FAILED = Completion(PROMPT, [], "", "failed", failure="OSError: gone")
PLAIN = Completion(PROMPT, [7], "7", "stop")


def test_the_return_is_the_sum_of_the_rewards_of_steps():
    scores = EpisodeReturn().evaluate(Completions([EPISODE, FAILED], 2))
    assert scores.total[0].tolist()[0] == 1.5
    assert scores.total.isnan().tolist() == [[False, True]]


def test_a_plain_answer_has_no_return_and_the_sampler_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"of prompt 5 has no turns: sample with EpisodeSampler\("):
        EpisodeReturn().evaluate(Completions([PLAIN], 1))


def batch_of(turns, calls, episode):
    return [float(len(one) + len(all_calls)) for one, all_calls in zip(turns, calls, strict=True)]


def test_functions_get_what_an_episode_has_and_a_failed_row_is_one():
    def counted(turns, calls, episode):
        return float(len(turns) + len(calls))

    both = Completions([EPISODE, FAILED], 2)
    for reward in (FunctionReward(counted), BatchFunctionReward(batch_of)):
        assert reward.evaluate(both).total[0].tolist()[0] == 4.0


@pytest.mark.parametrize("name", ["turns", "calls", "episode"])
def test_a_column_of_that_name_is_the_column_where_there_are_no_episodes(name):
    row = Completion(Prompt([1], "?", {name: 3.0}), [7], "7", "stop")
    alone = eval(f"lambda {name}: {name}")
    together = eval(f"lambda completions, {name}: {name}")
    for reward in (FunctionReward(alone), BatchFunctionReward(together)):
        assert reward.evaluate(Completions([row], 1)).total.item() == 3.0
        with pytest.raises(KeyError, match=f"no column '{name}'.*sample with EpisodeSampler"):
            reward.evaluate(Completions([PLAIN], 1))


def test_everything_there_is_of_a_plain_answer_has_no_turns():
    seen = {}

    def look(completion, **kwargs):
        seen.update(kwargs)
        return 0.0

    FunctionReward(look).evaluate(Completions([PLAIN], 1))
    assert not {"turns", "calls", "episode"} & seen.keys()
