"""Set-ups that train on noise in silence, and what a run says of them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import pytorch_lightning as pl

from rlframework import GRPO, BatchedSampler, CausalLMPolicy, Completions
from rlframework.completions import Completion
from rlframework.loop.rollout_watch import RolloutWatch
from rlframework.prompt import Prompt
from rlframework.rewards import RowReward
from rlframework.samplers import GroupSampler
from rlframework.testing import letter_tokenizer, tiny_policy
from rlframework.testing.tiny import tiny_qwen3

Make, Fit = Callable[..., GRPO], Callable[..., pl.Trainer]


class Recorded(GroupSampler):
    """Answers that stand written, such as those of a recording."""

    def __init__(self, group_size: int, returned: int | None = None, logprobs: Sequence[float] = ()) -> None:
        super().__init__(group_size, max_tokens=4)
        self.returned = returned or group_size
        self.logprobs = list(logprobs)

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        rows = [
            Completion(prompt, [5 + place, 1], "abcdefghijkl"[2 + place], "stop", self.logprobs)
            for prompt in prompts
            for place in range(self.returned)
        ]
        return Completions(rows, self.returned)


class Constant(RowReward):
    def __init__(self, value: float | None) -> None:
        super().__init__()
        self.value = value

    def score_row(self, completion: Completion) -> float | None:
        return self.value


class ConstantAtFirst(RowReward):
    """Two rollouts alike, then one that differs, and so on."""

    seen = 0

    def score_row(self, completion: Completion) -> float:
        self.seen += 1
        return float(self.seen % 48 == 0)


def said(run: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(line.message) for line in caught]


@pytest.mark.parametrize(("group_size", "returned"), [(4, 2), (4, 8), (2, 3), (3, 2), (8, 4), (4, 1)])
def test_groups_of_another_size_are_refused(group_size: int, returned: int, grpo: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match=f"group_size={group_size} and returned groups of {returned}"):
        fit(grpo(sampler=Recorded(group_size, returned)))


def test_unknown_log_probabilities_are_said_once(grpo: Make, fit: Fit) -> None:
    lines = said(lambda: fit(grpo(sampler=Recorded(4)), prompts=12))
    (line,) = [line for line in lines if "gave no log-probabilities" in line]
    assert "Recorded gave no log-probabilities for 16 of 16 completions" in line
    assert "sampler_correction=TokenTruncation()" in line


@pytest.mark.parametrize("sampler", [Recorded(4, logprobs=[-1.0, -2.0]), BatchedSampler(4, 4)])
def test_known_ones_and_the_policys_own_are_not(sampler: GroupSampler, grpo: Make, fit: Fit) -> None:
    assert not [line for line in said(lambda: fit(grpo(sampler=sampler))) if "no log-probabilities" in line]


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5])
def test_rollouts_that_teach_nothing_are_said_after_three(value: float, grpo: Make, fit: Fit) -> None:
    lines = said(lambda: fit(grpo(reward=Constant(value)), prompts=20))
    (line,) = [line for line in lines if "nothing to learn from" in line]
    assert line.startswith("In 3 rollouts in a row")
    assert f"between {value:.3g} and {value:.3g}" in line
    # Four tokens are too few for nearly every answer of an untrained policy.
    assert re.search(r"1[0-6] of its 16 completions were cut by a limit: raise max_tokens", line)


def test_one_that_teaches_starts_the_count_anew(grpo: Make, fit: Fit) -> None:
    lines = said(lambda: fit(grpo(reward=ConstantAtFirst()), prompts=40))
    assert not [line for line in lines if "nothing to learn from" in line]


def test_no_end_token_is_refused(grpo: Make) -> None:
    tokenizer, model = letter_tokenizer(), tiny_qwen3(eos_token_id=None)
    tokenizer.eos_token = None
    model.generation_config.eos_token_id = None
    with pytest.raises(ValueError, match="neither the tokenizer nor the model's generation_config has an end token"):
        grpo(CausalLMPolicy(model, tokenizer))
    model.generation_config.eos_token_id = [99_999]
    with pytest.raises(ValueError, match="end token that is in the model's vocabulary"):
        grpo(CausalLMPolicy(model, tokenizer))
    model.generation_config.eos_token_id = [1]
    assert grpo(CausalLMPolicy(model, tokenizer)).policy.eos_ids == {1}
    assert tiny_policy().eos_ids


class Odd(Recorded):
    """Returns what a sampler must not."""

    def __init__(self, what: str) -> None:
        super().__init__(2, logprobs=[-0.1, -0.1])
        self.what = what

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Any:
        completions = super().sample(policy, prompts, step=step)
        if self.what == "list":
            return list(completions)
        if self.what == "fewer":
            return completions[:-2]
        if self.what == "long":
            completions.rows[1].ids = [5] * 9
        completions.rows[1].logprobs = {"some": [], "above": [0.5, -1.0], "long": [-1.0] * 9}.get(
            self.what, [-1.0, -1.0]
        )
        return completions


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("list", TypeError, "Odd returned a list; return Completions"),
        ("fewer", ValueError, r"Odd returned 3 groups for 4 prompts, and states 4 \(groups_from\): every rank"),
        ("some", ValueError, "Odd gave log-probabilities for 7 of 8 completions"),
        ("above", ValueError, "Odd returned a log-probability of 0.5"),
        ("long", ValueError, "Odd has max_tokens=4 and returned a completion of 9 tokens"),
    ],
)
def test_what_no_sampler_may_return_is_refused(
    what: str, error: type[Exception], says: str, grpo: Make, fit: Fit
) -> None:
    with pytest.raises(error, match=says):
        fit(grpo(sampler=Odd(what)))
    fit(grpo(sampler=Odd("nothing")))


def test_rollouts_that_are_too_stale_are_told_once() -> None:
    watch = RolloutWatch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.staleness(0.31, 2)
    with pytest.warns(UserWarning, match=r"train/ess is 0.29: with rollouts_ahead=2"):
        watch.staleness(0.29, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.staleness(0.1, 2)
