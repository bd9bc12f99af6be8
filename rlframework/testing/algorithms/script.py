"""Rollouts that are written down: which completions a prompt gets, and what they earn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from rlframework.completions import Completion, Completions, StopReason
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.rewards.base import RewardModel, RowReward
from rlframework.samplers.base import GroupSampler
from rlframework.testing.table import TablePolicy
from rlframework.turns import Turn

STOP = "."
MAX_TOKENS = 8


@dataclass(frozen=True)
class Script:
    """One rollout of ``N`` groups of ``G``.

    Args:
        prompts: ``N`` prompts, in letters.
        completions: ``N`` groups of ``G`` completions, in letters; a full stop is the stop token, and a completion
            without one has been truncated. What stands in brackets an environment gave.
        rewards: ``(N, G)``.
        sampler_gap: ``(N, G)`` nats by which the sampler overstates the log-probability of every token of a row.
    """

    prompts: Sequence[str]
    completions: Sequence[Sequence[str]]
    rewards: Tensor
    sampler_gap: Tensor | None = None

    @property
    def group_size(self) -> int:
        """``G``."""
        return self.rewards.shape[1]

    def reorder_groups(self, order: Sequence[int]) -> Script:
        """Return the groups in another order."""
        prompts, completions = [self.prompts[n] for n in order], [self.completions[n] for n in order]
        gap = None if self.sampler_gap is None else self.sampler_gap[list(order)]
        return Script(prompts, completions, self.rewards[list(order)], gap)

    def reorder_rows(self, orders: Tensor) -> Script:
        """Return the rows of each group in another order, ``(N, G)`` positions."""
        completions = [
            [group[g] for g in order] for group, order in zip(self.completions, orders.tolist(), strict=True)
        ]
        gap = None if self.sampler_gap is None else self.sampler_gap.gather(1, orders)
        return Script(self.prompts, completions, self.rewards.gather(1, orders), gap)

    def believed(self, gap: float) -> Script:
        """Return the same rollout from a sampler that overstates the log-probabilities of every other row."""
        sign = torch.tensor([1.0, -1.0]).repeat(self.group_size // 2)
        return replace(self, sampler_gap=gap * sign.expand(self.rewards.shape))


class ScriptedSampler(GroupSampler):
    """Answers as the script says, whatever was asked, with the table's log-probabilities."""

    def __init__(self, script: Script) -> None:
        super().__init__(group_size=script.group_size, max_tokens=MAX_TOKENS)
        self.script = script

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Return the groups of the script."""
        table = cast(TablePolicy, policy)
        ids: dict[str, int] = {**table.tokenizer.get_vocab(), STOP: min(table.eos_ids)}
        logprobs = (table.table / self.temperature).log_softmax(-1).tolist()
        script, rows = self.script, []
        gaps = torch.zeros(script.rewards.shape) if script.sampler_gap is None else script.sampler_gap
        for n, (letters, group) in enumerate(zip(script.prompts, script.completions, strict=True)):
            prompt = Prompt([ids[letter] for letter in letters], letters, {"rewards": script.rewards[n].tolist()}, n)
            for completion, gap in zip(group, gaps[n].tolist(), strict=True):
                turns = _turns(completion)
                tokens = [ids[letter] for turn in turns for letter in turn.text]
                steps = zip([prompt.ids[-1], *tokens], tokens, strict=False)
                scores = [logprobs[previous][token] + gap for previous, token in steps]
                reason: StopReason = "stop" if completion.endswith(STOP) else "length"
                said = turns[-1].text.rstrip(STOP)
                rows.append(Completion(prompt, tokens, said, reason, scores, turns if len(turns) > 1 else []))
        return Completions(rows, self.group_size)


def _turns(completion: str) -> list[Turn]:
    """Return the turns of a completion: the environment's stand in brackets."""
    turns: list[Turn] = []
    end = 0
    for number, part in enumerate(completion.replace(")", "(").split("(")):
        turns.append(Turn(end, end + len(part), "environment" if number % 2 else "policy", part))
        end += len(part)
    return turns


class ScriptedReward(RewardModel):
    """Pays what the script says."""

    def score(self, completions: Completions) -> Tensor:
        """Return ``(N, G)``."""
        return torch.tensor([group[0].prompt.column("rewards") for group in completions.groups()])


class Identity(RowReward):
    """Pays a completion that opens with the last letter of the prompt."""

    def score_row(self, completion: Completion) -> float:
        """Return 1 or 0."""
        return float(completion.text[:1] == completion.prompt.text[-1])


def ragged_script() -> Script:
    """Return 8 groups of 4 rows, from short ones to long ones, with and without stop token, of different rewards.

    Short and long groups: a mean over each minibatch's tokens differs from the mean over all tokens.
    """
    prompts = ["a", "bc", "c", "dea", "e", "ab", "b", "cd"]
    completions = [
        ["b.", "c.", ".", "d"],
        ["a.", ".", "e.", "c."],
        ["ab.", "d.", "ce.", "."],
        ["e.", "bd.", "ca.", "a."],
        ["abc.", "de.", "bcde", "c."],
        ["ced.", "abcd", "b.", "eab."],
        ["abce", "dec.", "bad.", "ceda"],
        ["edc.", "abc.", "debc", "eda."],
    ]
    pattern = [[1.0, 0.0, 0.0, 0.5], [1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]]
    return Script(prompts, completions, torch.tensor(pattern * 2))


def paired_script(groups: int, good: str = "c.", bad: str = "d.") -> Script:
    """Return groups of one right and one wrong answer, alike but for the prompt."""
    prompts = ["ab"[n % 2] for n in range(groups)]
    return Script(prompts, [[good, bad]] * groups, torch.tensor([[1.0, 0.0]] * groups))
