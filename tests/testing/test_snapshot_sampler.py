"""A sampler of copies of the policy."""

from __future__ import annotations

import torch

from rlframework import SharedPrefixSampler
from rlframework.testing import SnapshotSampler, letter_prompts, tiny_policy


def test_copies_are_kept_as_often_as_they_were_published() -> None:
    sampler, policy = SnapshotSampler(SharedPrefixSampler(group_size=2, max_tokens=4)), tiny_policy()
    first, again = (sampler.publish(policy, letter_prompts(1)) for _ in range(2))
    with torch.no_grad():
        next(policy.parameters()).add_(1.0)
    other = sampler.publish(policy, letter_prompts(1))
    assert len(sampler.copies) == 2
    sampler.release(first)
    assert first.name in sampler.copies
    sampler.release(again)
    sampler.release(other)
    assert not sampler.copies
    assert sampler.replace(group_size=3).sampler.group_size == 3


def test_one_version_replaces_the_other_and_is_let_go_of_but_once() -> None:
    sampler, policy = SnapshotSampler(SharedPrefixSampler(group_size=2, max_tokens=4), one_version=True), tiny_policy()
    assert not sampler.side_by_side(policy)
    first = sampler.publish(policy, letter_prompts(1))
    with torch.no_grad():
        next(policy.parameters()).add_(1.0)
    second = sampler.publish(policy, letter_prompts(1))
    assert list(sampler.copies) == [second.name]
    sampler.release(first)
    assert list(sampler.copies) == [second.name]
    sampler.release(second)
    assert not sampler.copies
