"""Versions of a policy, and the remote sampler inside of others."""

from __future__ import annotations

import copy
import threading

import pytest
import torch

from rlframework import CausalLMPolicy, SharedPrefixSampler, rewards
from rlframework.completions import Completion, Completions
from rlframework.prompt import Prompt
from rlframework.samplers import DynamicSampling, EpisodeSampler, RemoteSampler, Version
from rlframework.samplers.remote import remote_inside
from rlframework.testing import SnapshotSampler, letter_prompts, tiny_policy
from rlframework.utilities.distributed import all_gather_object, alone, global_rank
from tests.samplers.vllm.echo import episodes


class Loud(CausalLMPolicy):
    def decode(self, ids):
        return super().decode(ids).upper()


def test_a_version_has_what_is_to_be_known_of_its_policy_and_no_weights() -> None:
    policy = Loud(tiny_policy().model, tiny_policy().tokenizer)
    version = Version("policy-1", policy, gap=0.5)
    assert (version.eos_ids, version.pad_id) == (policy.eos_ids, policy.pad_id)
    assert version.max_positions == policy.max_positions
    assert version.decode([5, 6]) == policy.decode([5, 6]) != CausalLMPolicy.decode(policy, [5, 6])
    own = copy.deepcopy(policy.tokenizer)
    apart = version.with_tokenizer(own)
    assert apart.tokenizer is own is apart._speaker[0].tokenizer
    assert version.tokenizer is policy.tokenizer
    assert apart.decode([5, 6]) == version.decode([5, 6])
    assert (version.gap, list(version.parameters())) == (0.5, [])
    with pytest.raises(RuntimeError, match="version policy-1 of the policy has no weights here"):
        SharedPrefixSampler(group_size=2, max_tokens=4).sample(version, letter_prompts(1))


class Noting(RemoteSampler):
    def __init__(self, fails: bool = False) -> None:
        super().__init__(group_size=1, max_tokens=4)
        self.fails, self.log = fails, []

    def publish(self, policy, prompts):
        self.log.append("publish")
        return Version("policy-1", policy)

    def ask(self, prompts, *, step, version):
        self.log.append(f"ask {version.name} {step}")
        if self.fails:
            raise OSError("gone")
        return Completions([Completion(prompt, [7], "7", "stop", [0.0]) for prompt in prompts], 1)

    def release(self, version):
        self.log.append(f"release {version.name}")


def test_sampling_publishes_asks_and_releases_and_a_version_is_only_asked() -> None:
    sampler, policy = Noting(), tiny_policy()
    sampler.sample(policy, [Prompt([1], "?")], step=3)
    assert sampler.log == ["publish", "ask policy-1 3", "release policy-1"]
    sampler.log.clear()
    sampler.sample(Version("policy-0", policy), [Prompt([1], "?")])
    assert sampler.log == ["ask policy-0 0"]
    failing = Noting(fails=True)
    with pytest.raises(OSError, match="gone"):
        failing.sample(policy, [Prompt([1], "?")])
    assert failing.log[-1] == "release policy-1"


def test_the_remote_sampler_inside_is_found() -> None:
    inner = SharedPrefixSampler(group_size=2, max_tokens=4)
    remote = SnapshotSampler(inner)
    assert remote_inside(remote) is remote
    assert remote_inside(DynamicSampling(episodes(remote), rewards.ExactFormat(), keep=1)) is remote
    assert isinstance(episodes(remote), EpisodeSampler)
    assert remote_inside(inner) is None
    assert remote_inside(DynamicSampling(inner, rewards.ExactFormat(), keep=1)) is None


def test_a_thread_that_is_alone_does_not_keep_others_from_their_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    seen = []
    with alone():
        assert (global_rank(), all_gather_object("here")) == ((0, 1), ["here"])
        thread = threading.Thread(target=lambda: seen.append(global_rank()))
        thread.start()
        thread.join()
    assert seen == [(1, 2)] == [global_rank()]
