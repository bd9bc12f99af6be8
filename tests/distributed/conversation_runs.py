"""Episodes with sharded weights on two ranks for test_conversations.py: ``python conversation_runs.py <folder>``.

Each rank has prompts of its own. In the first rollout the rows of one rank are over after a turn, in the second those
of the other.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from rlframework import CausalLMPolicy, EpisodeSampler, SharedPrefixSampler
from rlframework.environments import Environment, Episode, Observation, PlainGlue
from rlframework.prompt import Prompt
from rlframework.testing import letter_tokenizer
from rlframework.testing.tiny import tiny_qwen3


class Turns(Environment):
    """Goes on for as many turns as a row of data says."""

    def start(self, row: Any, luck: Any) -> Episode:
        return Counting(row["turns"])


class Counting(Episode):
    def __init__(self, turns: int) -> None:
        self.left = turns

    def step(self, turn: Any) -> Observation | None:
        self.left -= 1
        return Observation("abc" * self.left) if self.left else None


def rollouts(policy: CausalLMPolicy, rank: int) -> list[list[tuple[list[int], list[float]]]]:
    """Return ids and log-probabilities of this rank's rows; a prompt of one rank is long enough to be shared."""
    glue = PlainGlue(policy.tokenizer, before="x", after="y")
    inside = SharedPrefixSampler(group_size=2, max_tokens=50, seed=4)
    sampler = EpisodeSampler(inside, Turns(), max_turn_tokens=6 + 5 * rank, glue=glue)
    return [
        [
            (row.ids, row.logprobs)
            for row in sampler.sample(policy, [Prompt([*range(5, 25)] * (2 + 2 * rank), "", {"turns": turns}, rank)])
        ]
        for turns in ((1, 5) if rank else (5, 1))
    ]


def main(folder: Path) -> None:
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    model = tiny_qwen3(num_hidden_layers=2, max_position_embeddings=256)
    model.generation_config.eos_token_id = list(range(1, 12))
    policy = CausalLMPolicy(model, letter_tokenizer()).eval()
    whole = rollouts(policy, rank)
    mesh = init_device_mesh("cpu", (2,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    sharded = rollouts(CausalLMPolicy(model, letter_tokenizer()).eval(), rank)
    torch.save({"whole": whole, "sharded": sharded}, folder / f"rank{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
