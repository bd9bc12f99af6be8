"""Stored rollouts: completions that `RolloutWriter` recorded, and a sampler that returns them in place of sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlframework.callbacks.rollout_writer import read_run
from rlframework.completions import Completion, Completions
from rlframework.policies.base import Policy
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.remote import RemoteSampler, Version
from rlframework.turns import Call, Turn

Record = Mapping[str, Any]
"""A line of ``rollouts.jsonl``: one completion."""
_SETTINGS = ("group_size", "max_tokens", "temperature", "seed", "top_k", "top_p", "min_p")


def stored_rollouts(folder: Path, minibatches: int = 1) -> dict[int, list[Record]]:
    """Return the records of a run by the number of the rollout, in the order of the minibatches; of all ranks together.

    Args:
        folder: Of the run.
        minibatches: Parts that a rollout was cut into: each rank had its share of every one.

    Raises:
        FileNotFoundError: The run has no record of its rollouts.
    """
    return {number: _joined(ranks, minibatches) for number, ranks in read_run(folder).items()}


def completion_of(record: Record, prompt: Prompt | None = None) -> Completion:
    """Return a completion as it was sampled; the state of an environment is not on record.

    Args:
        record: The line.
        prompt: What was asked; by default what the record says of it, which has no ids.

    Example:
        >>> completion_of({"prompt": "?", "completion": "2", "completion_ids": [7], "stop_reason": "stop"}).sampled
        [True]
    """
    turns = [
        Turn(**{**turn, "calls": [Call(**call) for call in turn.get("calls", [])]}) for turn in record.get("turns", [])
    ]
    known = [math.nan if value is None else value for value in record.get("logprobs", [])]
    return Completion(
        prompt or Prompt([], record["prompt"], record.get("row") or {}, record.get("prompt_index", 0)),
        record["completion_ids"],
        record["completion"],
        record["stop_reason"],
        known,
        turns,
        failure=record.get("failure"),
    )


class RecordedSampler(RemoteSampler):
    """Returns the completions of rollouts on record where a run would sample: one that is gone through again.

    Rows come in the order of the minibatches. It says of itself what the run's own sampler does, so that learning takes
    them as it took them then.

    Args:
        sampler: The sampler of the run.
        rollouts: Records by the number of the rollout.
        only: Return this rollout, whichever is asked for; by default the one that is.

    Example:
        >>> from rlframework import SharedPrefixSampler
        >>> record = {"prompt_index": 3, "prompt": "?", "completion": "2", "completion_ids": [7], "stop_reason": "stop"}
        >>> sampler = RecordedSampler(SharedPrefixSampler(group_size=2, max_tokens=4), {5: [record, record]})
        >>> sampler.sample(None, [Prompt([1], "?", index=3)], step=5)[1].text
        '2'
    """

    def __init__(
        self, sampler: GroupSampler, rollouts: Mapping[int, Sequence[Record]], only: int | None = None
    ) -> None:
        super().__init__(**{name: getattr(sampler, name) for name in _SETTINGS})
        self.samples_policy_itself = sampler.samples_policy_itself  # type: ignore[misc]
        self.correction = sampler.correction
        self.rollouts = rollouts
        self.only = only

    def sample(self, policy: Policy, prompts: Sequence[Prompt], *, step: int = 0) -> Completions:
        """Return the rollout of this number.

        Args:
            policy: Unused.
            prompts: Those that were asked, with their ids.
            step: Number of the rollout.

        Raises:
            LookupError: It is not on record.
            ValueError: Its prompts are not those of the data.
        """
        number = step if self.only is None else self.only
        if number not in self.rollouts:
            raise LookupError(f"rollout {number} is not on record, which has {_span(sorted(self.rollouts))}")
        asked = {prompt.index: prompt for prompt in prompts}
        rows = []
        for record in self.rollouts[number]:
            prompt = asked.get(record["prompt_index"])
            if prompt is None or prompt.text != record["prompt"]:
                now = "is not asked" if prompt is None else f"reads {prompt.text[:80]!r}"
                raise ValueError(
                    f"the data are not those of the run: in rollout {number} prompt {record['prompt_index']} was "
                    f"{record['prompt'][:80]!r}, and now it {now}; give the rows, the seed and the sizes of the run"
                )
            rows.append(completion_of(record, prompt))
        return Completions(rows, self.group_size)

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        """Return a version: nothing has to be brought anywhere."""
        return Version("on record", policy)

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        """Return the rollout of this number, as `sample` does."""
        return self.sample(version, prompts, step=step)

    def side_by_side(self, policy: Policy) -> bool:
        """Return True: rollouts on record wait for nothing."""
        return True

    def groups_from(self, prompts: int) -> int:
        """Return how many groups come back for this many prompts: as many as are on record."""
        return len(next(iter(self.rollouts.values()), [])) // self.group_size


def _joined(ranks: Sequence[Sequence[Record]], minibatches: int) -> list[Record]:
    """Return a rollout's records as one rank would have them: minibatch by minibatch, the shares of all ranks."""
    shares = [
        rows[len(rows) * part // minibatches : len(rows) * (part + 1) // minibatches]
        for part in range(minibatches)
        for rows in ranks
    ]
    return [record for share in shares for record in share]


def _span(numbers: Sequence[int]) -> str:
    return f"rollouts {numbers[0]} to {numbers[-1]}" if numbers else "none"
