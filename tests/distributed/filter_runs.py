"""Ranks with unequal work, on one or two processes, for test_filters.py: ``python filter_runs.py <folder> <kind> ...``.

Of the kinds some have filters that drop other numbers on each rank, some a rank whose first minibatch has no tokens.
Every rank leaves what it ended with in the folder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor

from rlframework import DynamicSampling, EpisodeSampler, SharedPrefixSampler
from rlframework.algorithms import GRPO
from rlframework.completions import Completion, Completions
from rlframework.data import PromptDataModule
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.prompt import Prompt
from rlframework.rewards.base import RowReward
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.wrapper import SamplerWrapper
from rlframework.testing import SnapshotSampler, letter_rows, tiny_policy
from tests.distributed.distributed_runs import Plain, Sharded, Vowels, make_trainer, weights

RANKS, MINIBATCHES, KEEP, STEPS = 2, 2, 2, 4


class VowelFirst(RowReward):
    """1 if the answer begins with a vowel, which few do: of many groups all rows are alike."""

    def score_row(self, completion: Completion) -> float:
        return float(completion.text[:1] in tuple("aeiou"))


class Noted(SamplerWrapper):
    """Notes how many prompts a rollout took."""

    def __init__(self, sampler: GroupSampler) -> None:
        super().__init__(sampler)
        self.asked: dict[int, int] = {}

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        self.asked[step] = self.asked.get(step, 0) + len(prompts)
        return self.sampler.sample(policy, prompts, step=step)


def shares(prompts: Sequence[Prompt]) -> list[list[Prompt]]:
    """Return the prompts of each rank, out of those of all: a rank has its part of every minibatch."""
    places = np.arange(len(prompts)).reshape(MINIBATCHES, RANKS, -1)
    return [[prompts[place] for place in places[:, rank].ravel()] for rank in range(RANKS)]


class Shares(SamplerWrapper):
    """On one process, filters as the ranks do: each share of the prompts by itself."""

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        kept = [self.sampler.sample(policy, share, step=step) for share in shares(prompts)]
        return Completions([row for completions in kept for row in completions], self.group_size)

    def groups_from(self, prompts: int) -> int:
        return self.sampler.groups_from(prompts // RANKS) * RANKS


class CutOff(SamplerWrapper):
    """The second rank's part of the first minibatch, wherever it is sampled, is cut off by the token budget."""

    def __init__(self, sampler: GroupSampler, ranks: int) -> None:
        super().__init__(sampler)
        self.ranks = ranks

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        completions, count = self.sampler.sample(policy, prompts, step=step), len(prompts)
        if self.ranks == 1:
            cut = prompts[count // 4 : count // 2]
        else:
            cut = prompts[: count // 2] if torch.distributed.get_rank() == 1 else []
        indices = {prompt.index for prompt in cut}
        for row in completions:
            row.stop_reason = "length" if row.prompt.index in indices else "stop"
        return completions


class Careless(SamplerWrapper):
    """Leaves a group out on the second rank, in the second rollout, and does not fill its place."""

    def sample(self, policy: Any, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        left_out = step == 1 and torch.distributed.get_rank() == 1
        return self.sampler.sample(policy, prompts[left_out:], step=step)


class Echo(Environment):
    """Says the first letter back, and ends after a turn that begins late in the alphabet."""

    def start(self, row: Any, luck: Any) -> Episode:
        return Echoing()


class Echoing(Episode):
    def step(self, turn: Any) -> Observation:
        return Observation(turn.text[:1], done=turn.text[:1] > "r")


class InOrder:
    """Leaves minibatches as they were sampled: the part that was cut off stays together."""

    def minibatch_order(self, completions: Completions) -> Tensor:
        return torch.arange(len(completions))


class PlainInOrder(InOrder, Plain):
    pass


class ShardedInOrder(InOrder, Sharded):
    pass


def filtered(kind: str, ranks: int) -> tuple[GroupSampler, Noted]:
    """Return a filter around a sampler, and the part that notes how much it took."""
    inside: GroupSampler = SharedPrefixSampler(group_size=4, max_tokens=16 if kind == "episodes" else 6)
    if kind == "ahead":
        inside = SnapshotSampler(inside)
    if kind == "episodes":
        glue = PlainGlue(tiny_policy().tokenizer, before="x", after="y")
        inside = EpisodeSampler(inside, Echo(), max_turns=3, max_turn_tokens=4, glue=glue)
    noted = Noted(inside)
    sampler = DynamicSampling(noted, VowelFirst(), keep=KEEP)
    return (Shares(sampler) if ranks == 1 else sampler), noted


def run(kind: str, folder: Path, ranks: int = RANKS) -> dict[str, Any]:
    """Take some optimizer steps, and return what this rank ends with."""
    strategy: Any = "ddp" if ranks > 1 else "auto"
    sharded, what = kind.startswith("sharded "), kind.removeprefix("sharded ")
    if sharded and ranks > 1:
        strategy = ModelParallelStrategy(data_parallel_size=ranks, tensor_parallel_size=1)
    options: dict[str, Any] = {"prompts_per_rollout": 12, "minibatches_per_rollout": MINIBATCHES}
    noted, accumulate, algorithm = None, 2, Sharded if sharded else Plain
    if what.startswith("empty"):
        algorithm, accumulate = ShardedInOrder if sharded else PlainInOrder, int(what[-1])
        sampler: GroupSampler = CutOff(SharedPrefixSampler(group_size=4, max_tokens=6), ranks)
        options |= {"mask_truncated": True, "prompts_per_rollout": 8}
    else:
        sampler, noted = filtered(what, ranks)
        options["rollouts_ahead"] = int(what == "ahead")
    module: GRPO = algorithm(tiny_policy(), Vowels(), sampler, **options)
    trainer = make_trainer(folder, strategy, ranks, max_steps=STEPS, accumulate_grad_batches=accumulate)
    trainer.fit(module, PromptDataModule(letter_rows(24)))
    return {"weights": weights(module), "asked": noted.asked if noted else {}}


def unequal(folder: Path) -> str:
    """Return what this rank raises when one of the two has fewer groups."""
    sampler = Careless(SharedPrefixSampler(group_size=4, max_tokens=6))
    module = Plain(tiny_policy(), Vowels(), sampler, prompts_per_rollout=8)
    try:
        make_trainer(folder, "ddp", RANKS, max_steps=STEPS).fit(module, PromptDataModule(letter_rows(24)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


if __name__ == "__main__":
    results: dict[str, Any] = {kind: run(kind, Path(sys.argv[1])) for kind in sys.argv[2:] if kind != "unequal"}
    if "unequal" in sys.argv:
        results["unequal"] = unequal(Path(sys.argv[1]))
    torch.save(results, Path(sys.argv[1]) / f"rank{torch.distributed.get_rank()}.pt")
