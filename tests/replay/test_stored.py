"""Stored rollouts come back as they were sampled: ids, log-probabilities, turns, and the shares of all ranks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rlframework import RolloutWriter, SharedPrefixSampler
from rlframework.completions import Completion
from rlframework.prompt import Prompt
from rlframework.replay.stored import RecordedSampler, completion_of, stored_rollouts
from rlframework.rollout import Rollout
from rlframework.turns import Call, Turn


def test_completions_come_back_to_the_bit(grpo: Any, fit: Any, recorder: Any, tmp_path: Path) -> None:
    fit(grpo(passes_per_rollout=2), prompts=8, callbacks=[recorder, RolloutWriter(tmp_path)])
    rollouts = stored_rollouts(tmp_path)
    assert list(rollouts) == [0, 1]
    sampler = RecordedSampler(SharedPrefixSampler(group_size=4, max_tokens=4), rollouts)
    for collected in recorder.collected:
        prompts = [group[0].prompt for group in collected.completions.groups()]
        again = sampler.sample(None, prompts[::-1], step=collected.step)
        for now, before in zip(again, collected.completions, strict=True):
            assert (now.prompt, now.ids, now.text, now.stop_reason) == (
                before.prompt,
                before.ids,
                before.text,
                before.stop_reason,
            )
        logprobs = Rollout.of(again, pad_id=0).sampler_logprobs
        assert torch.equal(logprobs, collected.rollout.sampler_logprobs)


def test_a_rollout_of_one_step_needs_no_logprobs(grpo: Any, fit: Any, tmp_path: Path) -> None:
    fit(grpo(), max_steps=1, callbacks=[RolloutWriter(tmp_path)])
    assert all("logprobs" not in record for record in stored_rollouts(tmp_path)[0])


def test_an_episode_comes_back_with_its_turns(tmp_path: Path) -> None:
    turns = [
        Turn(0, 2, "policy", "f(1)", [Call("f", {"x": 1}, None, "2")], 0.5),
        Turn(2, 3, "environment", "2"),
        Turn(3, 4, "policy", "2"),
    ]
    record = {
        "prompt": "?",
        "completion": "2",
        "completion_ids": [5, 6, 7, 8],
        "stop_reason": "environment",
        "logprobs": [-1.0, None, 0.0, -2.0],
        "turns": json.loads(
            json.dumps([vars(turn) | {"calls": [vars(call) for call in turn.calls]} for turn in turns])
        ),
        "failure": "it broke",
    }
    completion = completion_of(record)
    assert completion.turns == turns
    assert completion.sampled == [True, True, False, True]
    assert completion.failure == "it broke"
    assert math.isnan(completion.logprobs[1])
    assert isinstance(completion, Completion)


def test_ranks_are_put_together_minibatch_by_minibatch(tmp_path: Path) -> None:
    for rank in (0, 1, 10):
        lines = [{"rollout": 3, "attempt": 1, "prompt_index": 100 * rank + row} for row in range(4)]
        (tmp_path / f"rollouts-{rank}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    joined = stored_rollouts(tmp_path, minibatches=2)[3]
    assert [line["prompt_index"] for line in joined] == [0, 1, 100, 101, 1000, 1001, 2, 3, 102, 103, 1002, 1003]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="had no RolloutWriter"):
        stored_rollouts(tmp_path)
    record = {"prompt_index": 3, "prompt": "?", "completion": "2", "completion_ids": [7], "stop_reason": "stop"}
    sampler = RecordedSampler(SharedPrefixSampler(group_size=2, max_tokens=4), {5: [record, record]})
    with pytest.raises(LookupError, match="rollout 4 is not on record, which has rollouts 5 to 5"):
        sampler.sample(None, [], step=4)
    with pytest.raises(ValueError, match=r"prompt 3 was '\?', and now it is not asked"):
        sampler.sample(None, [Prompt([1], "?", index=4)], step=5)
    with pytest.raises(ValueError, match=r"prompt 3 was '\?', and now it reads '!'"):
        sampler.sample(None, [Prompt([1], "!", index=3)], step=5)


def test_it_says_of_itself_what_the_sampler_of_the_run_does() -> None:
    own = SharedPrefixSampler(group_size=2, max_tokens=4, temperature=0.7, top_p=0.9)
    recorded = RecordedSampler(own, {})
    assert (recorded.temperature, recorded.truncates, recorded.samples_policy_itself) == (0.7, True, True)
