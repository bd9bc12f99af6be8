"""A remote sampler in this process: to try an algorithm on rollouts ahead of learning, without a server."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch

from rlframework.completions import Completions
from rlframework.policies.base import Policy
from rlframework.policies.fingerprint import fingerprint
from rlframework.prompt import Prompt
from rlframework.samplers.base import GroupSampler
from rlframework.samplers.remote import RemoteSampler, Version


class SnapshotSampler(RemoteSampler):
    """Keeps a copy of the policy for each published version, and samples from the copies (stale rollouts, exactly).

    It gains no time, since all is computed in this process, and shows what staleness does to an algorithm:
    ``rollouts_ahead=4`` of any small policy, with log-probabilities that are the copy's own.

    Args:
        sampler: Samples from the copies, as it samples from the policy itself.
        one_version: Keep the newest copy alone, as servers of whole weights do.

    Example:
        >>> from rlframework import SharedPrefixSampler
        >>> from rlframework.testing import letter_prompts, tiny_policy
        >>> sampler, policy = SnapshotSampler(SharedPrefixSampler(group_size=2, max_tokens=4)), tiny_policy()
        >>> version = sampler.publish(policy, letter_prompts(1))
        >>> before = sampler.ask(letter_prompts(1), step=0, version=version)[0].ids
        >>> with torch.no_grad():
        ...     _ = [weights.zero_() for weights in policy.parameters()]
        >>> sampler.ask(letter_prompts(1), step=0, version=version)[0].ids == before
        True
    """

    def __init__(self, sampler: GroupSampler, one_version: bool = False) -> None:
        names = ("group_size", "max_tokens", "temperature", "seed", "top_k", "top_p", "min_p")
        super().__init__(**{name: getattr(sampler, name) for name in names})
        self.sampler = sampler
        self.one_version = one_version
        self.copies: dict[str, tuple[Policy, int]] = {}

    def publish(self, policy: Policy, prompts: Sequence[Prompt]) -> Version:
        """Copy the policy, unless a copy with these weights is there."""
        name = fingerprint(policy)
        if self.one_version and name not in self.copies:
            self.copies.clear()
        held, times = self.copies.get(name, (None, 0))
        self.copies[name] = held or copy.deepcopy(policy).requires_grad_(False).eval(), times + 1
        return Version(name, policy, 0.0)

    def ask(self, prompts: Sequence[Prompt], *, step: int, version: Version) -> Completions:
        """Sample from a copy."""
        with torch.no_grad():
            return self.sampler.sample(self.copies[version.name][0], prompts, step=step)

    def release(self, version: Version) -> None:
        """Drop a copy that nobody needs any more."""
        held, times = self.copies.get(version.name, (None, 0))
        if held is not None and times > 1:
            self.copies[version.name] = held, times - 1
        else:
            self.copies.pop(version.name, None)

    def side_by_side(self, policy: Policy) -> bool:
        """Return whether there are as many copies as versions."""
        return not self.one_version

    def replace(self, **changes: Any) -> Self:
        """Return a copy of the sampler with other settings; those of the sampler inside are changed, too."""
        other = super().replace(**changes)
        other.sampler = self.sampler.replace(**changes)
        return other
